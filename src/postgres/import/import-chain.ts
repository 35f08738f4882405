import type { MessageInitShape } from "@bufbuild/protobuf";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { StartRecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { Lsn } from "../../lsn.js";
import type { ChainWriter } from "../../timeline/chain-writer.js";
import type { RecordInit } from "../../timeline/frame/record-batch.js";

/**
 * The chain that an import writes. Base backup and WAL append to it side by side; every frame begins where complete WAL
 * ends at that moment. The records' bytes may be reused once a call's promise resolves, which is when more is welcome.
 */
export class ImportChain {
  readonly #writer: ChainWriter;
  #endLsn: Lsn;

  /** `startLsn` is where the stored WAL begins. */
  constructor(writer: ChainWriter, startLsn: Lsn) {
    this.#writer = writer;
    this.#endLsn = startLsn;
  }

  /** The first frame. */
  start(value: MessageInitShape<typeof StartRecordSchema>): Promise<void> {
    return this.#append(FrameKind.START, this.#endLsn, [{ record: { case: "start", value } }]);
  }

  /** A frame of the base backup. */
  appendBase(records: RecordInit[]): Promise<void> {
    return this.#append(FrameKind.BASE, this.#endLsn, records);
  }

  /** A frame of WAL, histories and markers, after which complete WAL ends at `endLsn`. */
  appendWal(endLsn: Lsn, records: RecordInit[]): Promise<void> {
    return this.#append(FrameKind.WAL, endLsn, records);
  }

  /** Resolves when everything so far is durable. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  #append(kind: FrameKind, endLsn: Lsn, records: RecordInit[]): Promise<void> {
    const startLsn = this.#endLsn;
    this.#endLsn = endLsn;
    return this.#writer.append(kind, startLsn, endLsn, records);
  }
}
