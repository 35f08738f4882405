import { cp, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { SegmentState } from "../../../gen/neon/store/v1/store_pb.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { pointOf } from "../../../src/timeline/branch.js";
import { collectGarbage } from "../../../src/timeline/garbage.js";
import { Refs } from "../../../src/timeline/refs.js";
import { SegmentIndexes } from "../../../src/timeline/segment/segment-indexes.js";
import { FileSegmentStore, type SegmentStore } from "../../../src/timeline/segment/segment-store.js";
import { type Branch, Store } from "../../../src/timeline/store.js";
import { type TemporaryStore, temporaryStore, writeChain } from "../../support/temporary-store.js";

/** Reads a branch and returns how many frames it has. */
async function read(store: Store, branch: Branch): Promise<number> {
  let frames = 0;
  for await (const _ of store.reader(branch).frames()) frames++;
  return frames;
}

/** A branch of 21 frames in one segment, and one that forks from it at frame 8. */
async function forked(): Promise<TemporaryStore & { main: Branch; part: Branch; file: string }> {
  const temporary = await temporaryStore();
  const { store } = temporary;
  const main = await store.createBranch("main", await writeChain(store, { frames: 20 }));
  const { header, digest } = await store.reader(main).frame(8);
  const part = await store.forkBranch("part", main, { seq: 8, digest, lsn: header.endLsn });
  const [name] = await readdir(join(temporary.path, "segments"));
  return Object.assign(temporary, { main, part, file: join(temporary.path, "segments", name) });
}

test("of a segment that only a fork reaches, the end is freed in place, and counted", async (t) => {
  const temporary = await forked();
  t.teardown(temporary.remove);
  const { store, main, part, file } = temporary;
  const before = (await stat(file)).size;
  t.deepEqual(await store.collectGarbage(true), { segments: 0, bytes: 0 }, "main reaches all of it");
  await store.deleteBranch("main");
  const release = store.pin(pointOf(main));
  t.deepEqual(await store.collectGarbage(true), { segments: 0, bytes: 0 }, "somebody reads it");
  release();
  const tail = main.bytes - part.bytes;
  t.true(tail > 30_000);
  t.deepEqual(await store.collectGarbage(true), { segments: 1, bytes: tail });
  t.true((await stat(file)).size < before - tail, "a shorter footer too");
  t.deepEqual(await store.collectGarbage(true), { segments: 0, bytes: 0 });
  t.is(await read(store, part), 9);
  await temporary.reopen();
  t.is(await read(temporary.store, part), 9);
  t.like(temporary.store.requireBranch("part"), { head: part.head, bytes: part.bytes, ownBytes: part.bytes });
});

test("who reads the first frames of a segment is not disturbed while its end is cut off", async (t) => {
  const temporary = await forked();
  t.teardown(temporary.remove);
  const { store, part } = temporary;
  await store.deleteBranch("main");
  const reading = Array.from({ length: 20 }, () => read(store, part));
  t.is((await store.collectGarbage(true)).segments, 1);
  for (const frames of await Promise.all(reading)) t.is(frames, 9);
  const grown = await store.beginChain(part);
  await grown.abort();
  t.is(await read(store, part), 9);
});

test("a fork made while the end of its segment is freed is whole or refused", async (t) => {
  const { store, main, part, remove } = await forked();
  t.teardown(remove);
  await store.deleteBranch("main");
  const { header, digest } = await store.reader(main).frame(15);
  const collecting = store.collectGarbage(true);
  const fork = await store
    .forkBranch("late", main, { seq: 15, digest, lsn: header.endLsn })
    .catch(() => undefined);
  await collecting;
  if (fork !== undefined) t.is(await read(store, fork), 16);
  await store.collectGarbage(true);
  if (fork !== undefined) t.is(await read(store, fork), 16);
  t.is(await read(store, part), 9);
});

test("a cut that ends before the file is touched is done at the next opening", async (t) => {
  const temporary = await forked();
  t.teardown(temporary.remove);
  const { store, part, path, file } = temporary;
  await store.deleteBranch("main");
  await store.close();
  const refs = await Refs.open(join(path, "refs"));
  const files = await FileSegmentStore.open(join(path, "segments"));
  const segments = new Proxy(files, {
    get: (_, key: keyof SegmentStore) =>
      key === "reopen" ? () => Promise.reject(new Error("killed")) : files[key].bind(files),
  });
  const shelf = { refs, segments, indexes: new SegmentIndexes(segments, refs) };
  const before = (await stat(file)).size;
  const nothing = () => [];
  await t.throwsAsync(
    collectGarbage(shelf, nothing, () => true),
    { message: "killed" },
  );
  t.is((await stat(file)).size, before);
  await refs.close();
  temporary.store = await Store.open(path);
  t.true((await stat(file)).size < before - 30_000);
  t.is(await read(temporary.store, part), 9);
});

test("a process killed at any step of cutting a segment leaves a store that the next one puts in order", async (t) => {
  const temporary = await forked();
  t.teardown(temporary.remove);
  const { store, part, path } = temporary;
  await store.deleteBranch("main");
  await store.close();
  const scratch = await createTemporaryDirectory("neon-cut-");
  t.teardown(scratch.remove);
  const done = join(scratch.path, "done");
  await cp(path, done, { recursive: true });
  const finished = await Store.open(done);
  const { bytes } = await finished.collectGarbage(true);
  await finished.close();
  const [id] = await readdir(join(path, "segments"));
  const cut = await readFile(join(done, "segments", id));
  // First the index says that the segment is open and ends there; then the file is cut, gets its footer, is sealed.
  for (const footer of ["the old one", 0, 1, 40, cut.length - part.bytes - 1, cut.length - part.bytes]) {
    const copy = join(scratch.path, `footer-${footer}`);
    await cp(path, copy, { recursive: true });
    const refs = await Refs.open(join(copy, "refs"));
    const info = refs.segment.get(id);
    t.is(info?.state, SegmentState.SEALED);
    await refs.transaction(() => {
      if (info !== undefined)
        refs.segment.put(id, { ...info, state: SegmentState.OPEN, durableLength: BigInt(part.bytes) });
    });
    await refs.close();
    const file = join(copy, "segments", id);
    if (typeof footer === "number") {
      await truncate(file, part.bytes);
      await writeFile(file, cut.subarray(part.bytes, part.bytes + footer), { flag: "a" });
    }
    const opened = await Store.open(copy);
    t.is(await read(opened, part), 9, `${footer}`);
    t.deepEqual(await readFile(file), cut, `${footer}`);
    t.deepEqual(await opened.collectGarbage(true), { segments: 0, bytes: 0 });
    await opened.close();
    const sealed = await Refs.open(join(copy, "refs"));
    t.is(sealed.segment.get(id)?.state, SegmentState.SEALED);
    await sealed.close();
  }
  t.true(bytes > 0);
  await temporary.reopen();
});
