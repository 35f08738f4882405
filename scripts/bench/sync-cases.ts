import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { FRAME_CONTENT_BYTES } from "../../src/limits.js";
import type { ChainWriter } from "../../src/timeline/chain-writer.js";
import { type Branch, Store } from "../../src/timeline/store.js";
import { initRepository, type PageServerProcess, startPageServer } from "../support/neon.js";
import { makeTinyFrames, storeFrames } from "../support/tiny-frames.js";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.js";
import { rawCopy } from "./raw-copy.js";
import { atMost, type BenchCase, median } from "./report.js";
import { runProgram } from "./run-program.js";

/** WAL in a frame of the branches that are fast-forwarded: small, so that there are many. */
const SMALL_FRAME_BYTES = 64 * 1024;
/** Frames of the smaller one of them; the larger one has ten times as many. */
const FRAMES = 800;
const ROUNDS = 5;

/** How large the branches are. */
export interface SyncSizes {
  /** Frames of the branch that is pushed in full, of the size that imports make: half a MB each. */
  readonly fullFrames: number;
  /** Frames behind the frame where two branches part, and as many before it. */
  readonly partedFrames: number;
}

/**
 * Measures what a sync session costs besides the bytes: a fast-forward on a branch and on one ten times larger, bytes on
 * the wire, a push that has nothing to do, and a full push beside a raw copy of the same bytes.
 */
export async function runSyncCases(
  home: string,
  sizes: SyncSizes,
  note: (text: string) => void,
): Promise<BenchCase[]> {
  const [here, there] = [join(home, "sync-here"), join(home, "sync-there")];
  note("filling two branches, one ten times as large");
  for (const directory of [here, there]) await initRepository(directory);
  await fillBranches(here, sizes.fullFrames);
  await fillParted(sizes.partedFrames, here, there);
  const local = await startPageServer(here);
  const remote = await startPageServer(there);
  const proxy = await startCountingProxy(Number(new URL(remote.uri).port));
  try {
    return await measureAll(local, remote, proxy, home, sizes, note);
  } finally {
    proxy.close();
    await local.stop();
    await remote.stop();
  }
}

async function measureAll(
  local: PageServerProcess,
  remote: PageServerProcess,
  proxy: CountingProxy,
  home: string,
  { partedFrames }: SyncSizes,
  note: (text: string) => void,
): Promise<BenchCase[]> {
  const times = new Map<string, number[]>();
  const time = async (name: string, action: () => Promise<unknown>) => {
    await runProgram("sync", []);
    const start = performance.now();
    await action();
    times.set(name, [...(times.get(name) ?? []), (performance.now() - start) / 1000]);
  };
  const middle = (name: string) => median(times.get(name) ?? []);

  await local.neon("origin", "add", "counted", proxy.uri);
  await local.neon("origin", "add", "direct", remote.uri);
  const pushed = JSON.parse(await local.neon("push", "large-0", "counted:large", "--json"));
  const wire = proxy.take() / 1e6;
  proxy.takeRoundTrips();
  await assert.rejects(local.neon("push", "parted", "counted"), /diverged/);
  const roundTrips = proxy.takeRoundTrips();
  await local.neon("push", "small-0", "direct:small");
  for (let round = 1; round <= ROUNDS; round++) {
    note(`sync round ${round} of ${ROUNDS}`);
    for (const size of ["small", "large"]) {
      await time(`fast-forward ${size}`, () => local.neon("push", `${size}-${round}`, `direct:${size}`));
    }
    await time("up to date", () => local.neon("push", `small-${round}`, "direct:small"));
    await time("version", () => local.neon("--version"));
    const empty = await startPageServer(join(home, `sync-empty-${round}`));
    await time("full push", () => local.neon("push", "full", empty.uri));
    await empty.stop();
    const received = join(empty.directory, ".neon", "store", "segments");
    const files = (await readdir(received)).map((name) => join(received, name));
    await time("raw copy", () => rawCopy(files, join(home, "raw")));
    await rm(empty.directory, { recursive: true });
  }
  return [
    atMost(
      "fast-forward, branch ten times larger",
      "s",
      middle("fast-forward large"),
      middle("fast-forward small"),
      1.2,
    ),
    atMost("bytes on the wire vs the frames' own", "MB", wire, pushed.bytes / 1e6, 1.02),
    atMost("up-to-date push beyond neon --version", "s", middle("up to date") - middle("version"), 0.2, 1),
    atMost(`divergence ${partedFrames} frames back, connecting included`, "round trips", roundTrips, 8, 1),
    atMost("full push vs raw copy with fsync", "s", middle("full push"), middle("raw copy"), 1.25),
  ];
}

/** Makes small-0 to small-5 and large-0 to large-5, each one frame longer than the one before. */
async function fillBranches(directory: string, fullFrames: number): Promise<void> {
  const store = await Store.open(join(directory, ".neon", "store"));
  for (const [size, frames] of [
    ["small", FRAMES],
    ["large", FRAMES * 10],
  ] as const) {
    let branch = await makeBranch(store, `${size}-0`, frames, SMALL_FRAME_BYTES);
    for (let round = 1; round <= ROUNDS; round++) {
      const fork = await store.forkBranch(`${size}-${round}`, branch, branch.head);
      const writer = await store.beginChain(fork);
      await appendWal(writer, fork.head.lsn, 1, SMALL_FRAME_BYTES);
      branch = await store.advanceBranch(fork.name, fork.head, writer);
    }
  }
  await makeBranch(store, "full", fullFrames, FRAME_CONTENT_BYTES);
  await store.close();
}

/** Makes a branch at each of two repositories; they part in the middle. */
async function fillParted(frames: number, ...directories: string[]): Promise<void> {
  const common = makeTinyFrames(frames);
  for (const directory of directories) {
    const store = await Store.open(join(directory, ".neon", "store"));
    await storeFrames(store, "parted", [...common, ...makeTinyFrames(frames, common.at(-1))]);
    await store.close();
  }
}

async function makeBranch(store: Store, name: string, frames: number, frameBytes: number): Promise<Branch> {
  const writer = await store.beginChain();
  const start = 0x1000000n;
  const value = {
    importId: randomBytes(16),
    systemIdentifier: 1n,
    serverVersionNum: 150000,
    postgresTimelineId: 1,
    backupStartLsn: start,
    walStartLsn: start,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
  };
  await writer.append(FrameKind.START, start, start, [{ record: { case: "start", value } }]);
  await appendWal(writer, start, frames, frameBytes);
  return store.createBranch(name, writer);
}

/** WAL frames of which half compresses away. */
async function appendWal(
  writer: ChainWriter,
  begin: bigint,
  frames: number,
  frameBytes: number,
): Promise<void> {
  const data = Buffer.alloc(frameBytes);
  let lsn = begin;
  for (let i = 0; i < frames; i++) {
    randomBytes(frameBytes / 2).copy(data);
    const end = lsn + BigInt(frameBytes);
    const value = { postgresTimelineId: 1, startLsn: lsn, data };
    await writer.append(FrameKind.WAL, lsn, end, [{ record: { case: "wal", value } }]);
    lsn = end;
  }
}
