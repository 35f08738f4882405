import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { NeonError } from "../../../src/errors.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { continueChain, temporaryStore, writeChain } from "../../support/temporary-store.js";

const MOVES = 100;

/** Lets a branch grow by many moves of a small frame each, and tells after each where it stands. */
async function follow(store: Store, name: string, onMove?: (branch: Branch, move: number) => Promise<void>) {
  let branch = store.requireBranch(name);
  for (let move = 0; move < MOVES; move++) {
    branch = await store.advanceBranch(name, branch.head, await continueChain(store, branch, 1, 1000));
    await onMove?.(branch, move);
  }
  return branch;
}

async function digests(store: Store, branch: Branch): Promise<string[]> {
  const found: string[] = [];
  for await (const frame of store.reader(branch).frames()) found.push(frame.digest.toString("hex"));
  return found;
}

async function stage(t: ExecutionContext) {
  const repository = await temporaryStore();
  t.teardown(repository.remove);
  const branch = await repository.store.createBranch("main", await writeChain(repository.store));
  const segments = () => readdir(join(repository.path, "segments"));
  return { repository, branch, segments };
}

test("a branch that is followed for long keeps few segments, and every frame", async (t) => {
  const { repository, segments } = await stage(t);
  const heads = new Map<number, string>();
  const branch = await follow(repository.store, "main", async ({ head }) => {
    heads.set(head.seq, head.digest.toString("hex"));
  });
  const found = await digests(repository.store, branch);
  t.is(found.length, branch.frames);
  for (const [seq, digest] of heads) t.is(found[seq], digest);

  await repository.reopen(); // waits for what is being merged
  t.true((await segments()).length < 50, `${(await segments()).length} segments`);
  const reopened = repository.store.requireBranch("main");
  t.deepEqual(await digests(repository.store, reopened), found);
  t.deepEqual([reopened.bytes, reopened.head], [branch.bytes, branch.head]);
});

test("branches that went off between two moves keep their history", async (t) => {
  const { repository } = await stage(t);
  const { store } = repository;
  const forks: Branch[] = [];
  const branch = await follow(store, "main", async (moved, move) => {
    if (move % 30 === 7) forks.push(await store.forkBranch(`fork-${move}`, moved, moved.head));
  });
  await repository.reopen();
  const found = await digests(repository.store, branch);
  for (const { name, head } of forks) {
    const fork = repository.store.requireBranch(name);
    t.deepEqual(await digests(repository.store, fork), found.slice(0, head.seq + 1));
    t.is(fork.parent, "main");
  }
  await repository.store.deleteBranch("main");
  await repository.store.collectGarbage(true);
  for (const { name, head } of forks) {
    const fork = repository.store.requireBranch(name);
    t.deepEqual(await digests(repository.store, fork), found.slice(0, head.seq + 1));
  }
});

test("who reads a branch while its segments are merged reads on", async (t) => {
  const { repository, branch, segments } = await stage(t);
  const { store } = repository;
  let early = branch;
  for (let i = 0; i < 12; i++) {
    early = await store.advanceBranch("main", early.head, await continueChain(store, early, 1, 1000));
  }
  const old = store.reader(early).extents.map(({ segmentId }) => segmentId);
  let next = 0;
  for await (const { firstSeq, lastSeq } of store.reader(early).runs(0)) {
    if (next === 0) {
      await follow(store, "main");
      while ((await segments()).includes(old.at(-1) ?? "")) await sleep(20);
    }
    t.is(firstSeq, next);
    next = lastSeq + 1;
  }
  t.is(next, early.frames);
});

test("segments of which one is damaged stay as they are", async (t) => {
  const { repository, branch, segments } = await stage(t);
  const { store } = repository;
  const moved = await store.advanceBranch("main", branch.head, await continueChain(store, branch, 1, 1000));
  const damaged = store.reader(moved).extents.at(-1)?.segmentId as string;
  await store.advanceBranch("main", moved.head, await continueChain(store, moved, 1, 1000));
  await writeFile(join(repository.path, "segments", damaged), "no segment");
  await follow(store, "main");
  await repository.reopen();
  t.is((await segments()).length, MOVES + 3);
  const { code } = await t.throwsAsync<NeonError>(
    digests(repository.store, repository.store.requireBranch("main")),
  );
  t.is(code, "data_corrupted");
});
