import test, { type ExecutionContext } from "ava";
import type { Move } from "../../src/timeline/move-branch.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { temporaryStore } from "../support/temporary-store.js";
import { filler, forkWal, importedBranch, storeWal, type WalChain } from "../support/wal-chain.js";

/** A store with the branch `main`. */
async function setUp(t: ExecutionContext) {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch: main, chain } = await importedBranch(store, "main");
  return { store, main, chain };
}

/** A move to one more frame behind `branch`, durable and not yet made. */
async function oneMore(store: Store, branch: Branch, chain: WalChain): Promise<Move> {
  const writer = await store.beginChain(branch);
  chain.wal.record(filler(200));
  await storeWal(writer, chain);
  await writer.flush();
  const head = writer.head;
  if (head === undefined) throw new Error("the writer has no frame");
  return { name: branch.name, expected: branch.head, head, frames: writer.appender, keepOld: false };
}

test("a branch that grows keeps its timeline", async (t) => {
  const { store, main, chain } = await setUp(t);
  const move = await oneMore(store, main, chain);
  t.is(await store.move(move), undefined);
  const grown = store.requireBranch("main");
  t.deepEqual(grown.head, move.head);
  t.deepEqual(grown.timelineId, main.timelineId);
  t.is(grown.ownBytes, grown.bytes);
});

test("of two moves from one head the second is refused, and leaves the branch where the first put it", async (t) => {
  const { store, main, chain } = await setUp(t);
  const other = forkWal(chain, main.head.lsn);
  const [first, second] = [await oneMore(store, main, chain), await oneMore(store, main, other)];
  await store.move(first);
  await t.throwsAsync(store.move(second), {
    code: "serialization_failure",
    message: /^branch "main" was moved to .* meanwhile/,
  });
  await t.throwsAsync(store.move({ ...second, keepOld: true }), { code: "serialization_failure" });
  t.deepEqual(
    store.listBranches().map(({ name, head }) => [name, head]),
    [["main", first.head]],
  );
});

test("the LSN counts: a head in the middle of the frame that is expected is another one", async (t) => {
  const { store, main, chain } = await setUp(t);
  const move = await oneMore(store, main, chain);
  const expected = { ...main.head, lsn: main.head.lsn - 8n };
  await t.throwsAsync(store.move({ ...move, expected }), { code: "serialization_failure" });
  await store.move(move);
});

test("a branch that was deleted meanwhile is not made anew, one that was made meanwhile not moved", async (t) => {
  const { store, main, chain } = await setUp(t);
  const move = await oneMore(store, main, chain);
  const creation = { ...move, expected: undefined };
  await t.throwsAsync(store.move(creation), { code: "duplicate_object" });
  await store.deleteBranch("main");
  await t.throwsAsync(store.move(move), { code: "serialization_failure", message: /was deleted meanwhile/ });
  t.deepEqual(store.listBranches(), []);
  await store.move(creation);
  t.deepEqual(store.requireBranch("main").head, move.head);
});

test("what a branch pointed to is kept once, under a name that is free, and can be read on", async (t) => {
  const { store, main, chain } = await setUp(t);
  const grown = await oneMore(store, main, chain);
  await store.move(grown);
  const stem = `main-before-${grown.head.digest.toString("hex").slice(0, 8)}`;
  for (const recovery of [stem, stem, `${stem}-2`]) {
    const before = store.requireBranch("main");
    if (recovery !== stem) {
      await store.deleteBranch(stem);
      await store.forkBranch(stem, before, main.head);
    }
    t.deepEqual(before.head, grown.head);
    const forced = await oneMore(store, main, forkWal(chain, main.head.lsn));
    t.is(await store.move({ ...forced, expected: before.head, keepOld: true }), recovery);
    const kept = store.requireBranch(recovery);
    t.deepEqual([kept.head, kept.bytes], [before.head, before.bytes]);
    const moved = store.requireBranch("main");
    t.deepEqual(moved.head, forced.head);
    t.notDeepEqual(moved.timelineId, before.timelineId);
    // And back, so that the same name is asked for again.
    const back = await store.baseAt({
      timelineId: kept.timelineId.toString("hex"),
      seq: kept.head.seq,
      lsn: kept.head.lsn,
    });
    await store.move({
      name: "main",
      expected: moved.head,
      head: kept.head,
      frames: back,
      keepOld: false,
    });
  }
  await store.collectGarbage(true);
  for (const branch of store.listBranches()) {
    let frames = 0;
    for await (const _ of store.readFrames(branch)) frames++;
    t.is(frames, branch.frames, branch.name);
  }
});

test("a branch that was moved back and goes on leaves what stood behind its head to others", async (t) => {
  const { store, main, chain } = await setUp(t);
  const grown = await oneMore(store, main, chain);
  await store.move(grown);
  const frames = await store.baseAt({
    timelineId: main.timelineId.toString("hex"),
    seq: main.head.seq,
    lsn: main.head.lsn,
  });
  const recovery = await store.move({
    name: "main",
    expected: grown.head,
    head: main.head,
    frames,
    keepOld: true,
  });
  const back = store.requireBranch("main");
  t.deepEqual(back.head, main.head);
  const again = await oneMore(store, back, forkWal(chain, main.head.lsn));
  await store.move(again);
  t.deepEqual(store.requireBranch("main").head, again.head);
  t.deepEqual(store.requireBranch(recovery as string).head, grown.head);
  for (const branch of store.listBranches()) {
    let last: Buffer | undefined;
    for await (const { digest } of store.readFrames(branch)) last = digest;
    t.deepEqual(last, branch.head.digest, branch.name);
  }
});
