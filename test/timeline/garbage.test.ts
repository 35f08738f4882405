import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import test from "ava";
import { LeaseSchema } from "../../gen/neon/store/v1/store_pb.js";
import type { NeonError } from "../../src/errors.js";
import { pointOf } from "../../src/timeline/branch.js";
import { decodeFrame } from "../../src/timeline/frame/frame.js";
import { Refs } from "../../src/timeline/refs.js";
import { type Branch, Store } from "../../src/timeline/store.js";
import { endsOf, type TemporaryStore, temporaryStore, writeChain } from "../support/temporary-store.js";
import { forkWal, growBranch, importedBranch } from "../support/wal-chain.js";

const segments = (temporary: TemporaryStore) => readdir(join(temporary.path, "segments"));

async function read(store: Store, branch: Branch): Promise<number> {
  let frames = 0;
  for await (const _ of store.readFrames(branch)) frames++;
  return frames;
}

/** Takes the first `count` frames of a branch as a push does that breaks off then. */
async function receiveSome(from: Store, branch: Branch, into: Store, count: number) {
  const appender = into.appendFrames();
  for await (const frame of from.reader(branch).frames()) {
    if (count-- === 0) break;
    await appender.append(decodeFrame(Buffer.concat(frame.parts)));
  }
  await appender.flush();
  return appender;
}

test("what no branch reaches is freed and counted, and nothing else", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const { branch: main } = await importedBranch(store, "main");
  const { branch: other, chain } = await importedBranch(store, "other");
  const grown = await growBranch(store, other, chain, 4);
  t.deepEqual(await store.collectGarbage(true, true), { segments: 0, bytes: 0 });
  await store.deleteBranch("other");
  t.is((await segments(temporary)).length, 3, "deleting a branch frees nothing yet");
  t.deepEqual(await store.collectGarbage(false, true), { segments: 2, bytes: grown.bytes });
  t.is((await segments(temporary)).length, 1);
  t.is(await read(store, main), main.frames);
  t.deepEqual(await store.collectGarbage(false, true), { segments: 0, bytes: 0 });
  await temporary.reopen();
  t.is((await segments(temporary)).length, 1);
});

test("of a deleted parent that forks reach, what lies behind the last fork is freed", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const { branch, chain } = await importedBranch(store, "main");
  const forks: Branch[] = [];
  let main = branch;
  for (let i = 0; i < 5; i++) {
    if (i < 3) forks.push(await store.forkBranch(`fork${i}`, main, main.head));
    main = await growBranch(store, main, chain, 2);
  }
  await store.deleteBranch("main");
  t.deepEqual(await store.collectGarbage(false, true), { segments: 3, bytes: main.bytes - forks[2].bytes });
  for (const fork of forks) t.is(await read(store, fork), fork.frames);
  await store.deleteBranch("fork2");
  t.deepEqual(await store.collectGarbage(false, true), {
    segments: 1,
    bytes: forks[2].bytes - forks[1].bytes,
  });
  // The fork can go on where its parent's tail was.
  const own = forkWal(chain, forks[1].head.lsn);
  const grown = await growBranch(store, forks[1], own, 2);
  t.is(await read(store, grown), grown.frames);
});

test("what a broken-off session left is kept for the next attempt, until its lease ends or everything is to go", async (t) => {
  const source = await temporaryStore();
  t.teardown(source.remove);
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const { branch } = await importedBranch(source.store, "main");
  const running = await receiveSome(source.store, branch, store, 3);
  t.deepEqual(await store.collectGarbage(true, true), { segments: 0, bytes: 0 }, "it still runs");
  await running.suspend();
  t.deepEqual(await store.collectGarbage(false, true), { segments: 0, bytes: 0 });
  const first = await source.store.reader(branch).digest(0);
  t.deepEqual(
    (await endsOf(store, first)).map(({ seq }) => seq),
    [2],
  );
  t.deepEqual(await store.collectGarbage(true, true), { segments: 1, bytes: running.bytes });
  t.deepEqual(await endsOf(store, first), []);
  t.deepEqual(await segments(temporary), []);
});

/** Ends the leases of all sessions that broke off so many seconds from now. Returns when they would have ended. */
async function moveDeadlines(temporary: TemporaryStore, seconds: number): Promise<bigint[]> {
  await temporary.store.close();
  const refs = await Refs.open(join(temporary.path, "refs"));
  const leases = Array.from(refs.lease.entries());
  const deadline = BigInt(Math.floor(Date.now() / 1000) + seconds);
  await refs.transaction(() => {
    for (const [key, lease] of leases) refs.lease.put(key, { ...lease, deadline });
  });
  await refs.close();
  temporary.store = await Store.open(temporary.path);
  return leases.map(([, lease]) => lease.deadline);
}

test("frames that nobody comes back for are freed when their lease has ended, and not before", async (t) => {
  const source = await temporaryStore();
  t.teardown(source.remove);
  const temporary = await temporaryStore();
  t.teardown(() => temporary.remove());
  const { branch } = await importedBranch(source.store, "main");
  const begin = BigInt(Math.floor(Date.now() / 1000));
  const session = await receiveSome(source.store, branch, temporary.store, 3);
  await session.suspend();
  const [deadline] = await moveDeadlines(temporary, 60);
  const day = 24n * 3600n;
  t.true(deadline >= begin + day && deadline <= BigInt(Math.ceil(Date.now() / 1000)) + day);
  t.deepEqual(await temporary.store.collectGarbage(false, true), { segments: 0, bytes: 0 });
  await moveDeadlines(temporary, -1);
  const first = await source.store.reader(branch).digest(0);
  t.is((await endsOf(temporary.store, first)).length, 1, "until then they are of use");
  t.deepEqual(await temporary.store.collectGarbage(false, true), { segments: 1, bytes: session.bytes });
  t.deepEqual(await segments(temporary), []);
});

test("frames that a retry has built on outlive their lease, whatever became of the retry", async (t) => {
  const source = await temporaryStore();
  t.teardown(source.remove);
  const temporary = await temporaryStore();
  t.teardown(() => temporary.remove());
  const { branch } = await importedBranch(source.store, "main");
  for (const becomes of ["a branch", "broken off", "still running"]) {
    const session = await receiveSome(source.store, branch, temporary.store, 3);
    const [end] = await endsOf(temporary.store, await source.store.reader(branch).digest(0));
    const retry = temporary.store.appendFrames(await temporary.store.baseAt(end));
    for await (const frame of source.store.reader(branch).frames(3)) {
      await retry.append(decodeFrame(Buffer.concat(frame.parts)));
    }
    await session.suspend();
    if (becomes === "a branch") await temporary.store.createBranch("main", retry);
    else if (becomes === "broken off") await retry.suspend();
    else await retry.flush();
    // The retry's own lease is to last.
    await moveDeadlines(temporary, -1);
    if (becomes !== "a branch") await renewLease(temporary, retry.timelineId);
    t.is((await temporary.store.collectGarbage(false, true)).segments, 0, becomes);
    const point = { timelineId: retry.timelineId, seq: branch.head.seq, lsn: branch.head.lsn };
    let frames = 0;
    for await (const _ of temporary.store.readerAt(point).frames()) frames++;
    t.is(frames, branch.frames, becomes);
    if (becomes === "a branch") await temporary.store.deleteBranch("main");
    t.is((await temporary.store.collectGarbage(true, true)).segments, 2, becomes);
  }
});

/** Gives a session that broke off a lease that lasts. */
async function renewLease(temporary: TemporaryStore, timelineId: string): Promise<void> {
  await temporary.store.close();
  const refs = await Refs.open(join(temporary.path, "refs"));
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 60);
  await refs.transaction(() =>
    refs.lease.put(timelineId, create(LeaseSchema, { deadline, resumable: true })),
  );
  await refs.close();
  temporary.store = await Store.open(temporary.path);
}

test("what a reader has pinned stays, though its branch is gone, until it lets go", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const { branch, chain } = await importedBranch(store, "main");
  const main = await growBranch(store, branch, chain, 5);
  const frames = store.readFrames(main)[Symbol.asyncIterator]();
  await frames.next();
  await store.deleteBranch("main");
  t.deepEqual(await store.collectGarbage(true, true), { segments: 0, bytes: 0 });
  let read = 1;
  while (!(await frames.next()).done) read++;
  t.is(read, main.frames);
  t.is((await store.collectGarbage(true, true)).segments, 2);
});

test("what a running session builds on stays, though the branch is gone", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const { branch } = await importedBranch(store, "main");
  const writer = await store.beginChain(branch);
  await store.deleteBranch("main");
  t.deepEqual(await store.collectGarbage(true, true), { segments: 0, bytes: 0 });
  await writer.abort();
  t.is((await store.collectGarbage(true, true)).segments, 1);
});

test("a fork made while garbage is collected is whole or refused", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  for (let i = 0; i < 20; i++) {
    const { branch } = await importedBranch(store, "main");
    const forking = store.forkBranch(`fork${i}`, branch, branch.head).catch(() => undefined);
    await store.deleteBranch("main");
    await store.collectGarbage(true, true);
    const fork = await forking;
    if (fork !== undefined) t.is(await read(store, fork), branch.frames);
    if (i % 2 === 0) t.truthy(fork, "it was pinned before");
  }
});

test("an import that begins while garbage is collected loses nothing", async (t) => {
  const source = await temporaryStore();
  t.teardown(source.remove);
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch } = await importedBranch(source.store, "main");
  for (let i = 0; i < 10; i++) {
    for (let j = 0; j < 3; j++) await (await receiveSome(source.store, branch, store, 2)).suspend();
    const collecting = store.collectGarbage(true, true);
    const { branch: made } = await importedBranch(store, `new${i}`);
    t.is((await collecting).segments, 3);
    t.is(await read(store, made), made.frames);
  }
});

test("a pinned point keeps its parents too", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch } = await importedBranch(store, "main");
  const fork = await store.forkBranch("fork", branch, branch.head);
  const release = store.pin(pointOf(fork));
  await store.deleteBranch("main");
  await store.deleteBranch("fork");
  t.deepEqual(await store.collectGarbage(true, true), { segments: 0, bytes: 0 });
  release();
  t.deepEqual(await store.collectGarbage(true, true), { segments: 1, bytes: branch.bytes });
});

test("bytes freed are those of the files' frames", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { branch } = await importedBranch(temporary.store, "main");
  const [name] = await segments(temporary);
  const { size } = await stat(join(temporary.path, "segments", name));
  await temporary.store.deleteBranch("main");
  const { bytes } = await temporary.store.collectGarbage(false, true);
  t.is(bytes, branch.bytes);
  t.true(bytes < size && size - bytes < 1000, "all but the footer");
});

test("nothing is freed of a repository without branches unless it is said that there are to be none", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const branch = await store.createBranch("main", await writeChain(store));
  await store.deleteBranch("main");
  for (const all of [false, true]) {
    const error = await t.throwsAsync<NeonError>(store.collectGarbage(all));
    t.is(error?.code, "object_not_in_prerequisite_state");
    t.regex(error?.hint ?? "", /neon repair --rebuild-index .* neon gc --no-branches/);
  }
  t.deepEqual(await store.collectGarbage(false, true), { segments: 1, bytes: branch.bytes });
  t.deepEqual(await store.collectGarbage(true), { segments: 0, bytes: 0 }, "there is nothing left to lose");
});
