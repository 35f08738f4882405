import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { ChainWriter } from "../../src/timeline/chain-writer.js";
import { type Branch, Store } from "../../src/timeline/store.js";

/** A store in a directory of its own. */
export interface TemporaryStore {
  store: Store;
  readonly path: string;
  /** Closes and opens it again, as another process would. */
  reopen(): Promise<void>;
  /** Closes and deletes it. Throws if its index contradicts itself or the frames. */
  remove(): Promise<void>;
}

/** Makes an empty store on disk. */
export async function temporaryStore(): Promise<TemporaryStore> {
  const directory = await createTemporaryDirectory("neon-store-");
  const path = join(directory.path, "store");
  await Store.create(path);
  const self = {
    store: await Store.open(path),
    path,
    reopen: async () => {
      await self.store.close();
      self.store = await Store.open(path);
    },
    remove: async () => {
      await self.store.close();
      const contradictions = await contradictionsIn(path);
      await directory.remove();
      if (contradictions.length > 0) throw new Error(contradictions.join("\n"));
    },
  };
  return self;
}

/** What contradicts the invariants in the store at `path`, which nobody has open. */
export async function contradictionsIn(path: string): Promise<string[]> {
  const store = await Store.open(path);
  try {
    return await store.upkeep.findContradictions();
  } finally {
    await store.close();
  }
}

/** The ends of the chains that begin with a frame. They can be collected again at once. */
export async function endsOf(store: Store, startDigest: Uint8Array) {
  const { points, release } = await store.endsOfChains(startDigest);
  release();
  return points;
}

/** What a chain for tests is made of. */
export interface ChainOptions {
  readonly systemIdentifier?: bigint;
  /** WAL frames behind the start frame. */
  readonly frames?: number;
  /** Bytes of WAL in each. */
  readonly frameBytes?: number;
}

/** Writes a start frame and WAL frames of random bytes that compress about two to one. */
export async function writeChain(store: Store, options: ChainOptions = {}): Promise<ChainWriter> {
  const { systemIdentifier = 7n, frames = 5, frameBytes = 10_000 } = options;
  const writer = await store.beginChain();
  const begin = 0x1000000n;
  const start = {
    importId: randomBytes(16),
    systemIdentifier,
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: begin + 0x28n,
    walStartLsn: begin,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
  };
  await writer.append(FrameKind.START, begin, begin, [{ record: { case: "start", value: start } }]);
  await appendWal(writer, begin, frames, frameBytes);
  return writer;
}

/** Writes more WAL frames behind the head of a branch. */
export async function continueChain(store: Store, branch: Branch, frames: number, frameBytes = 100) {
  const writer = await store.beginChain(branch);
  await appendWal(writer, branch.head.lsn, frames, frameBytes);
  return writer;
}

async function appendWal(
  writer: ChainWriter,
  begin: bigint,
  frames: number,
  frameBytes: number,
): Promise<void> {
  let lsn = begin;
  for (let i = 0; i < frames; i++) {
    const data = Buffer.concat([randomBytes(frameBytes / 2), Buffer.alloc(frameBytes / 2)]);
    const end = lsn + BigInt(data.length);
    const wal = { postgresTimelineId: 1, startLsn: lsn, data };
    await writer.append(FrameKind.WAL, lsn, end, [{ record: { case: "wal", value: wal } }]);
    lsn = end;
  }
}
