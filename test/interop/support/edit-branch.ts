import type { MessageInitShape } from "@bufbuild/protobuf";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { Record, RecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { ChainWriter } from "../../../src/timeline/chain-writer.js";
import type { Branch, Store } from "../../../src/timeline/store.js";

type RecordInit = MessageInitShape<typeof RecordSchema>;

/** How a branch becomes another one. */
export interface Edit {
  /** What a record becomes; itself unless given. */
  records?(record: Record): RecordInit[];
  /** Appends frames behind those of the branch. */
  append?(writer: ChainWriter): Promise<void>;
}

let made = 0;

/** Makes a branch whose frames hold what `edit` makes of another branch's: what a hostile page server could push. */
export async function editBranch(store: Store, branch: Branch, edit: Edit): Promise<Branch> {
  const writer = await store.beginChain();
  for await (const { header, records } of store.readFrames(branch)) {
    const edited = edit.records === undefined ? records : records.flatMap(edit.records);
    await writer.append(header.kind, header.startLsn, header.endLsn, edited);
  }
  await writer.flush();
  await edit.append?.(writer);
  return store.createBranch(`edited-${++made}`, writer);
}

/** Appends one more frame of the base backup with these records. */
export function appendRecords(...records: RecordInit[]): Edit {
  return {
    async append(writer) {
      const lsn = writer.head?.lsn as bigint;
      await writer.append(FrameKind.BASE, lsn, lsn, records);
    },
  };
}
