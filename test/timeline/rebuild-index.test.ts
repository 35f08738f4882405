import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { rebuildIndex } from "../../src/timeline/rebuild/rebuild-index.js";
import { type Branch, Store } from "../../src/timeline/store.js";
import { type TemporaryStore, temporaryStore } from "../support/temporary-store.js";
import { forkWal, growBranch, importedBranch } from "../support/wal-chain.js";

/** A store with a branch that has grown, forks at an earlier frame and within one, and another import. */
async function sampleStore(t: ExecutionContext): Promise<TemporaryStore> {
  const temporary = await temporaryStore();
  t.teardown(() => temporary.remove());
  const { store } = temporary;
  const { branch, chain } = await importedBranch(store, "main");
  const early = await growBranch(store, branch, chain, 2, 3000);
  const forked = forkWal(chain, early.head.lsn);
  await store.forkBranch("early", early, early.head);
  await growBranch(store, early, chain, 3, 3000);
  const fork = await store.forkBranch("fork", early, early.head);
  await growBranch(store, fork, forked, 4, 3000);
  await importedBranch(store, "other");
  return temporary;
}

function places(branches: readonly Branch[]): string[] {
  return branches.map(
    ({ name, head, bytes }) => `${name} ${head.lsn} ${head.seq} ${head.digest.toString("hex")} ${bytes}`,
  );
}

async function frames(store: Store): Promise<string[]> {
  const all: string[] = [];
  for (const branch of store.listBranches()) {
    for await (const { digest, records } of store.readFrames(branch))
      all.push(`${branch.name} ${digest.toString("hex")} ${records.length}`);
  }
  return all;
}

/** Flips a bit of a byte. */
async function flip(file: string, ...offsets: number[]): Promise<void> {
  const bytes = await readFile(file);
  for (const at of offsets) bytes[at] ^= 0x40;
  await writeFile(file, bytes);
}

/** Flips a bit of a word wherever it stands. */
async function flipEverywhere(file: string, word: string): Promise<void> {
  const bytes = await readFile(file);
  const offsets: number[] = [];
  for (let at = bytes.indexOf(word); at !== -1; at = bytes.indexOf(word, at + 1)) offsets.push(at);
  await flip(file, ...offsets);
}

/** Does something to the index of a store that nobody has open, rebuilds it, and opens the store again. */
async function rebuilt(temporary: TemporaryStore, damage: (file: string) => Promise<void>) {
  await temporary.store.close();
  await damage(join(temporary.path, "refs", "data.mdb"));
  const found = await rebuildIndex(temporary.path, false);
  temporary.store = await Store.open(temporary.path);
  return found;
}

test("an index that is damaged in one entry is made again with every branch where it stood", async (t) => {
  const temporary = await sampleStore(t);
  const before = { places: places(temporary.store.listBranches()), frames: await frames(temporary.store) };
  const found = await rebuilt(temporary, async (file) => {
    // The name of the table of segments: nothing of it can be opened.
    await flipEverywhere(file, "segment");
    await t.throwsAsync(Store.open(temporary.path), {
      code: "data_corrupted",
      message: /index of the store is damaged/,
    });
  });
  t.deepEqual(places(temporary.store.listBranches()), before.places);
  t.deepEqual(await frames(temporary.store), before.frames);
  t.true(found.branches.every(({ named }) => named));
  t.deepEqual((await readdir(temporary.path)).sort(), ["refs", "refs-damaged-1", "segments"]);
});

test("without any index the ends of all chains are found, and nothing is lost", async (t) => {
  const temporary = await sampleStore(t);
  const before = temporary.store.listBranches();
  const found = await rebuilt(temporary, (file) => rm(file));
  t.true(found.branches.every(({ name, named }) => !named && /^found-[0-9a-f]{8}$/.test(name)));
  const digests = new Set(found.branches.map(({ head }) => head.digest.toString("hex")));
  // "early" stands where others go on: its frame is another's previous one.
  for (const { name, head } of before) t.is(digests.has(head.digest.toString("hex")), name !== "early", name);
  t.is(temporary.store.listBranches().length, before.length - 1);
  t.deepEqual(await temporary.store.unknownSegments(), { segments: 0, bytes: 0 });
  for (const branch of temporary.store.listBranches())
    for await (const _ of temporary.store.readFrames(branch)) t.pass();
});

test("segments whose first frames are missing are put aside, and told", async (t) => {
  const temporary = await sampleStore(t);
  const { store } = temporary;
  const [first] = store.reader(store.requireBranch("main")).extents;
  const segments = join(temporary.path, "segments");
  const count = (await readdir(segments)).length;
  const found = await rebuilt(temporary, async (file) => {
    await rm(join(segments, first.segmentId));
    await rm(file);
  });
  t.is(found.branches.length, 1, "the other import");
  t.is(found.leftSegments.length, count - 2);
  t.is((await temporary.store.unknownSegments()).segments, 0);
  t.is((await readdir(segments)).length, 1);
  t.is(found.leftDirectory, join(temporary.path, "segments-left-1"));
  t.deepEqual((await readdir(found.leftDirectory as string)).sort(), found.leftSegments.toSorted());
});

test("a dry run says what would be found, and writes nothing", async (t) => {
  const temporary = await sampleStore(t);
  await temporary.store.close();
  const before = await readdir(temporary.path);
  const found = await rebuildIndex(temporary.path, true);
  t.is(found.branches.length, 4);
  t.deepEqual(await readdir(temporary.path), before);
  temporary.store = await Store.open(temporary.path);
});

test("a branch that was deleted does not come back where the table of branches is whole", async (t) => {
  const temporary = await sampleStore(t);
  await temporary.store.deleteBranch("early");
  const before = places(temporary.store.listBranches());
  const [id] = await readdir(join(temporary.path, "segments"));
  // Its entries in the tables of segments and of places.
  const found = await rebuilt(temporary, (file) => flipEverywhere(file, id));
  t.true(found.namesAreWhole);
  t.deepEqual(places(temporary.store.listBranches()), before);
});

test("what is damaged in one segment keeps no other branch from being found", async (t) => {
  const temporary = await sampleStore(t);
  const { store } = temporary;
  const [first] = store.reader(store.requireBranch("other")).extents;
  const last = store.reader(store.requireBranch("main")).extents[2];
  const before = places(store.listBranches());
  const found = await rebuilt(temporary, async (file) => {
    await flipEverywhere(file, "segment");
    // The header of the first frame: of a chain, and of a segment that goes on from another.
    for (const { segmentId } of [first, last]) await flip(join(temporary.path, "segments", segmentId), 60);
  });
  t.deepEqual(found.leftSegments, [last.segmentId], "its place is not known");
  const names = temporary.store.listBranches().map(({ name }) => name);
  t.true(names.includes("other"), "the old index knows how its chain began");
  const other = places(temporary.store.listBranches()).find((place) => place.startsWith("other "));
  t.true(before.includes(other as string));
});

test("a segment whose frames are elsewhere too is garbage afterwards, and nothing else is", async (t) => {
  const temporary = await sampleStore(t);
  const before = places(temporary.store.listBranches());
  const segments = join(temporary.path, "segments");
  const [id] = await readdir(segments);
  await rebuilt(temporary, () => cp(join(segments, id), join(segments, "f".repeat(32))));
  const { store } = temporary;
  t.deepEqual(places(store.listBranches()), before);
  t.deepEqual(await store.unknownSegments(), { segments: 0, bytes: 0 });
  t.is((await store.collectGarbage(false)).segments, 1);
  t.deepEqual(places(store.listBranches()), before);
  t.true((await frames(store)).length > 0);
});

test("a rebuilt store is one to work with: it grows, forks and is cleaned up", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(() => temporary.remove());
  const { branch, chain } = await importedBranch(temporary.store, "main");
  // So many moves that their segments are merged.
  let main = branch;
  for (let i = 0; i < 40; i++) main = await growBranch(temporary.store, main, chain, 1, 2000);
  await temporary.reopen();
  const before = await frames(temporary.store);
  await rebuilt(temporary, (file) => rm(file));
  const { store } = temporary;
  const [found] = store.listBranches();
  await store.renameBranch(found.name, "main");
  t.deepEqual(await frames(store), before);
  main = await growBranch(store, store.requireBranch("main"), chain, 3, 2000);
  await store.forkBranch("fork", main, main.head);
  await store.collectGarbage(true);
  t.is((await frames(store)).length, 2 * (before.length + 3));
});
