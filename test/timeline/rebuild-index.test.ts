import { readdir, readFile, rm, writeFile } from "node:fs/promises";
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
    const bytes = await readFile(file);
    // The name of the table of segments, everywhere: nothing of it can be opened.
    for (let at = bytes.indexOf("segment"); at !== -1; at = bytes.indexOf("segment", at + 1))
      bytes[at] ^= 0x40;
    await writeFile(file, bytes);
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

test("segments whose first frames are missing are left where they are, and told", async (t) => {
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
  t.is(found.leftSegments, count - 2);
  t.is((await temporary.store.unknownSegments()).segments, count - 2);
  t.is((await readdir(segments)).length, count - 1);
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
