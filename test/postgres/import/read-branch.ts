import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { Record, RelationFork } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { bytePath } from "../../../src/postgres/byte-path.js";
import type { Branch, Store } from "../../../src/timeline/store.js";

/** All records of a case, as they are in a Record. */
export type RecordOf<Case extends Record["record"]["case"]> = Extract<Record["record"], { case: Case }>;

/** Everything that a branch holds. */
export interface BranchContent {
  readonly frames: { kind: FrameKind; startLsn: bigint; endLsn: bigint }[];
  readonly records: Record["record"][];
  of<Case extends Record["record"]["case"]>(name: Case): RecordOf<Case>[];
  /** The verbatim file, or undefined. */
  file(path: string): Buffer | undefined;
  /** The pages of a fork in the order of their numbers, or undefined. */
  fork(
    fork: Pick<RelationFork, "tablespaceOid" | "databaseOid" | "relationNumber" | "fork">,
  ): Buffer | undefined;
  /** The WAL from its start on. */
  readonly wal: Buffer;
}

/** Reads a branch. The frames' records are kept: for small branches. */
export async function readBranch(store: Store, branch: Branch): Promise<BranchContent> {
  const frames: BranchContent["frames"] = [];
  const records: Record["record"][] = [];
  for await (const frame of store.readFrames(branch)) {
    const { kind, startLsn, endLsn } = frame.header;
    frames.push({ kind, startLsn, endLsn });
    records.push(...frame.records.map(({ record }) => record));
  }
  const of = <Case extends Record["record"]["case"]>(name: Case) =>
    records.filter((record): record is RecordOf<Case> => record.case === name);
  return {
    frames,
    records,
    of,
    file(path) {
      const pieces = of("filePiece").filter(({ value }) => bytePath(value.path) === path);
      return pieces.length === 0 ? undefined : Buffer.concat(pieces.map(({ value }) => value.data));
    },
    fork(fork) {
      const images = of("pageImages").filter(({ value: { relation } }) => {
        const keys = ["tablespaceOid", "databaseOid", "relationNumber", "fork"] as const;
        return keys.every((key) => relation?.[key] === fork[key]);
      });
      return images.length === 0 ? undefined : Buffer.concat(images.map(({ value }) => value.pages));
    },
    wal: Buffer.concat(of("wal").map(({ value }) => value.data)),
  };
}

/** What is wrong with a branch's frames, LSNs and WAL pieces, in words; empty if all is well. */
export function faultsOf(branch: Branch, { frames, of, records }: BranchContent): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const { walStartLsn, backupStartLsn, walSegmentSize } = branch.start;
  expect(frames[0]?.kind === FrameKind.START, "the first frame is not the start");
  expect(walStartLsn % BigInt(walSegmentSize) === 0n, "WAL does not begin at a segment's start");
  expect(
    backupStartLsn >= walStartLsn && backupStartLsn < walStartLsn + BigInt(walSegmentSize),
    "WAL does not begin at the start of the segment of the backup's start",
  );
  let end = walStartLsn;
  for (const frame of frames) {
    expect(frame.startLsn === end, "a frame does not begin where the one before ends");
    if (frame.kind !== FrameKind.WAL)
      expect(frame.endLsn === frame.startLsn, "a frame without WAL has a length");
    end = frame.endLsn;
  }
  expect(branch.head.lsn === end, "the head is not the last frame's end");
  let walEnd = walStartLsn;
  for (const { value } of of("wal")) {
    expect(value.startLsn === walEnd, "a WAL piece does not begin where the one before ends");
    walEnd += BigInt(value.data.length);
  }
  expect(walEnd === branch.head.lsn, "WAL goes beyond the head or falls short of it");
  const last = records.at(-1);
  expect(last?.case === "consistentPoint", "the last record is not the consistent point");
  if (last?.case === "consistentPoint") {
    expect(last.value.backupStopLsn <= branch.head.lsn, "the head lies before the consistent point");
  }
  return faults;
}
