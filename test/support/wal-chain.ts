import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import type { ChainWriter } from "../../src/timeline/chain-writer.js";
import type { RecordInit } from "../../src/timeline/frame/record-batch.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { WalBuilder } from "../postgres/wal/wal-builder.js";
import { backupEnd, checkpoint } from "../postgres/wal/xlog-records.js";
import { clusterFiles } from "./cluster-files.js";

const SEGMENT = 1024 * 1024;
const START = 0x1230_0000n;
const BACKUP_START = START + 40n;

/** WAL that is being made, and how much of it is in frames. */
export interface WalChain {
  readonly wal: WalBuilder;
  stored: bigint;
}

/** A commit record whose transaction ended at a time in milliseconds since 1970. */
export function commitAt(milliseconds: number, prepared = false) {
  const data = Buffer.alloc(8);
  data.writeBigInt64LE((BigInt(milliseconds) - 946_684_800_000n) * 1000n);
  return { rmid: 1, info: prepared ? 0x30 : 0, xid: 700, body: Buffer.concat([Buffer.of(255, 8), data]) };
}

/** A record of `length` bytes of no meaning. */
export function filler(length: number) {
  return { rmid: 10, info: 0, body: randomBytes(length) };
}

/** Appends the WAL that is in no frame yet, as one frame that ends with the last record. */
export async function storeWal(
  writer: ChainWriter,
  chain: WalChain,
  ...markers: RecordInit[]
): Promise<void> {
  const { wal, stored } = chain;
  const data = wal.bytes.subarray(Number(stored - wal.startLsn));
  const value = { postgresTimelineId: 1, startLsn: stored, data };
  await writer.append(FrameKind.WAL, stored, wal.lsn, [{ record: { case: "wal", value } }, ...markers]);
  chain.stored = wal.lsn;
}

/** Makes a branch as an import does, which verification calls good: start, images, WAL, and the consistent point in frame 3, at the head. */
export async function importedBranch(
  store: Store,
  name: string,
  base: RecordInit[] = [],
): Promise<{ branch: Branch; chain: WalChain }> {
  const writer = await store.beginChain();
  const wal = new WalBuilder(START, SEGMENT);
  const chain = { wal, stored: START };
  const start = {
    importId: randomBytes(16),
    systemIdentifier: wal.systemIdentifier,
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: BACKUP_START,
    startedAt: { seconds: 1_704_164_645n, nanos: 0 },
    walStartLsn: START,
    blockSize: 8192,
    walSegmentSize: SEGMENT,
  };
  await writer.append(FrameKind.START, START, START, [{ record: { case: "start", value: start } }]);
  const { start: checkpointLsn } = wal.record(checkpoint(0x10, BACKUP_START));
  const cluster = { systemIdentifier: wal.systemIdentifier, walSegmentSize: SEGMENT, checkpointLsn };
  await writer.append(FrameKind.BASE, START, START, [
    ...clusterFiles({ ...cluster, backupStartLsn: BACKUP_START }),
    ...base,
  ]);
  wal.record(filler(50));
  await storeWal(writer, chain);
  wal.record(backupEnd(BACKUP_START));
  const { end: backupStopLsn } = wal.record(filler(100));
  await storeWal(writer, chain, {
    record: { case: "consistentPoint", value: { backupStopLsn, postgresTimelineId: 1 } },
  });
  return { branch: await store.createBranch(name, writer), chain };
}

/** Appends frames of one filler record each to a branch, in a session of its own. Returns the branch. */
export async function growBranch(
  store: Store,
  branch: Branch,
  chain: WalChain,
  frames: number,
  length = 300,
): Promise<Branch> {
  const writer = await store.beginChain(branch);
  for (let i = 0; i < frames; i++) {
    chain.wal.record(filler(length));
    await storeWal(writer, chain);
  }
  return store.advanceBranch(branch.name, branch.head, writer);
}

/** A copy of the WAL so far, for another history that goes on from `lsn`, the end of its last record before that. */
export function forkWal({ wal }: WalChain, lsn: bigint): WalChain {
  return { wal: wal.forkAt(lsn), stored: lsn };
}

/** Changes the last byte of the page images of a branch as {@link importedBranch} makes it, in the store at `path`. */
export async function damageBaseFrame(store: Store, path: string, branch: Branch): Promise<void> {
  const { extents } = store.reader(branch);
  const name = (await readdir(join(path, "segments"))).find((file) => file.includes(extents[0].segmentId));
  const file = join(path, "segments", name as string);
  const bytes = await readFile(file);
  bytes[(await store.reader(branch).bytes(0, 1)) - 1] ^= 1;
  await writeFile(file, bytes);
}
