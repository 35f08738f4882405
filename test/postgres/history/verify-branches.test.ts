import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { type Verification, verifyBranches } from "../../../src/postgres/history/verify-branches.js";
import { MAX_FRAME_HEAD_BYTES } from "../../../src/timeline/frame/frame.js";
import { FileSegmentStore } from "../../../src/timeline/segment/segment-store.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { temporaryStore } from "../../support/temporary-store.js";
import { filler, forkWal, growBranch, importedBranch, type WalChain } from "../../support/wal-chain.js";

/** Branches that fork from one another inside frames and between them, and one that stands by itself. */
async function fillStore(store: Store): Promise<void> {
  const { branch, chain } = await importedBranch(store, "main");
  const several = () => {
    for (let i = 0; i < 3; i++) chain.wal.record(filler(400));
  };
  several();
  const middle = chain.wal.records.at(-2)?.end as bigint;
  let main = await growBranch(store, branch, chain, 2);
  const seam = main.head.lsn;
  several();
  const late = chain.wal.records.at(-1)?.end as bigint;
  main = await growBranch(store, main, chain, 2);
  await store.forkBranch("all-of-main", main, main.head);
  await store.forkBranch("a-stump", main, branch.head);
  const fork = async (name: string, from: Branch, lsn: bigint, source: WalChain) => {
    const reader = store.reader(from);
    const seq = (await reader.find(lsn)) as number;
    const made = await store.forkBranch(name, from, { seq, lsn, digest: await reader.digest(seq) });
    return { made, own: forkWal(source, lsn) };
  };
  await fork("inside", main, middle, chain);
  const { made, own } = await fork("dev", main, middle, chain);
  const dev = await growBranch(store, made, own, 3);
  const further = await fork("further", dev, own.wal.records.at(-2)?.end as bigint, own);
  await growBranch(store, further.made, further.own, 1, 20_000);
  const atSeam = await fork("at-seam", main, seam, chain);
  await growBranch(store, atSeam.made, atSeam.own, 1);
  const atLate = await fork("z-late", main, late, chain);
  await growBranch(store, atLate.made, atLate.own, 1);
  const other = await importedBranch(store, "other");
  await growBranch(store, other.branch, other.chain, 1);
}

async function verify(store: Store, branches: readonly Branch[]): Promise<Verification[]> {
  const found: Verification[] = [];
  for await (const verification of verifyBranches({ store, branches })) found.push(verification);
  return found;
}

async function verifyEach(store: Store, branches: readonly Branch[]): Promise<Verification[]> {
  return (await Promise.all(branches.map((branch) => verify(store, [branch])))).flat();
}

test("branches that share frames are found good together, in their order", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  await fillStore(store);
  const branches = store.listBranches();
  t.deepEqual(
    await verify(store, branches),
    branches.map((branch) => ({
      branch,
      frames: branch.frames,
      bytes: branch.bytes,
      pages: 0,
      damage: undefined,
    })),
  );
});

test("wherever a byte is changed, it is told of every branch that reaches it as of that branch alone", async (t) => {
  const { store, path, remove } = await temporaryStore();
  t.teardown(remove);
  await fillStore(store);
  const branches = store.listBranches();
  let damaged = 0;
  for (const name of await readdir(join(path, "segments"))) {
    const file = join(path, "segments", name);
    const whole = await readFile(file);
    for (let offset = 5; offset < whole.length - 400; offset += 173) {
      const changed = Buffer.from(whole);
      changed[offset] ^= 1;
      await writeFile(file, changed);
      const together = await verify(store, branches);
      t.deepEqual(together, await verifyEach(store, branches), `${name} at ${offset}`);
      damaged = Math.max(damaged, together.filter(({ damage }) => damage !== undefined).length);
    }
    await writeFile(file, whole);
  }
  t.is(damaged, branches.length - 1);
});

test.serial("a frame that branches share is read once", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  await fillStore(store);
  const branches = store.listBranches();
  const bytesOnce = new Set<string>();
  for (const branch of branches) {
    for (const { segmentId, firstSeq, lastSeq } of store.reader(branch).extents)
      for (let seq = firstSeq; seq <= lastSeq; seq++) bytesOnce.add(`${segmentId} ${seq}`);
  }
  let frames = 0;
  for (const branch of branches) frames += branch.frames;
  t.true(frames > 2 * bytesOnce.size, "the branches share little");
  await verify(store, branches); // reads the segments' footers
  const reads: { id: string; offset: number; length: number }[] = [];
  const { read } = FileSegmentStore.prototype;
  FileSegmentStore.prototype.read = function (id, offset, length, ...rest) {
    if (length > MAX_FRAME_HEAD_BYTES) reads.push({ id, offset, length });
    return read.call(this, id, offset, length, ...rest);
  };
  t.teardown(() => {
    FileSegmentStore.prototype.read = read;
  });
  await verify(store, branches);
  for (const [i, { id, offset, length }] of reads.entries()) {
    const twice = reads
      .slice(i + 1)
      .find(
        (other) => other.id === id && other.offset < offset + length && offset < other.offset + other.length,
      );
    t.is(twice, undefined);
  }
  t.true(reads.length > 0);
});
