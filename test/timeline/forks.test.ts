import test from "ava";
import { decodeFrame } from "../../src/timeline/frame/frame.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { temporaryStore } from "../support/temporary-store.js";
import { forkWal, growBranch, importedBranch } from "../support/wal-chain.js";

/** The WAL of a branch as its frames give it; a gap or an overlap shows. */
async function walOf(store: Store, branch: Branch): Promise<Buffer> {
  const parts: Buffer[] = [];
  let end: bigint | undefined;
  for await (const { records } of store.readFrames(branch)) {
    for (const { record } of records) {
      if (record.case !== "wal") continue;
      if (end !== undefined && end !== record.value.startLsn) throw new Error(`a gap at ${end}`);
      end = record.value.startLsn + BigInt(record.value.data.length);
      parts.push(Buffer.from(record.value.data));
    }
  }
  return Buffer.concat(parts);
}

async function pointAt(store: Store, branch: Branch, lsn: bigint) {
  const reader = store.reader(branch);
  const seq = (await reader.find(lsn)) as number;
  return { seq, lsn, digest: await reader.digest(seq) };
}

/** A branch whose last frame holds three records, and where these end. */
async function branchOfRecords(store: Store) {
  const { branch, chain } = await importedBranch(store, "main");
  chain.wal.record({ rmid: 10, info: 0, body: Buffer.alloc(100, 1) });
  chain.wal.record({ rmid: 10, info: 0, body: Buffer.alloc(100, 2) });
  const main = await growBranch(store, branch, chain, 1);
  return { main, chain, ends: chain.wal.records.slice(-3).map(({ end }) => end) };
}

test("a fork has its parent's frames, no bytes of its own, and stays when its parent moves on", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { main, chain } = await branchOfRecords(store);
  const dev = await store.forkBranch("dev", main, main.head);
  t.like(dev, { ownBytes: 0, parent: "main", bytes: main.bytes, frames: main.frames });
  const before = await walOf(store, dev);
  const grown = await growBranch(store, main, chain, 3);
  t.true(grown.head.lsn > dev.head.lsn);
  t.deepEqual(store.requireBranch("dev").head, main.head);
  t.deepEqual(await walOf(store, dev), before);
  await t.throwsAsync(store.forkBranch("dev", main, main.head), { code: "duplicate_object" });
});

test("two forks inside one frame go on with their own WAL, and each reads without gap or overlap", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { main, chain, ends } = await branchOfRecords(store);
  for (const [i, lsn] of [ends[0], ends[1]].entries()) {
    const fork = await store.forkBranch(`fork${i}`, main, await pointAt(store, main, lsn));
    t.is((await walOf(store, fork)).length, Number(lsn - chain.wal.startLsn));
    const own = forkWal(chain, lsn);
    const grown = await growBranch(store, fork, own, 2);
    t.deepEqual(await walOf(store, grown), own.wal.bytes);
    t.is(await store.reader(grown).lsn(main.head.seq), lsn);
  }
  t.deepEqual(await walOf(store, main), chain.wal.bytes);
});

test("a fork that arrived as one run of frames reads as it does where it was made", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const far = await temporaryStore();
  t.teardown(far.remove);
  const { main, chain, ends } = await branchOfRecords(store);
  const fork = await store.forkBranch("dev", main, await pointAt(store, main, ends[1]));
  const own = forkWal(chain, ends[1]);
  const grown = await growBranch(store, fork, own, 2);
  const appender = far.store.appendFrames();
  for await (const frame of store.reader(grown).frames()) {
    await appender.append(decodeFrame(Buffer.concat(frame.parts)));
  }
  const there = await far.store.createBranch("dev", appender);
  t.deepEqual(await walOf(far.store, there), own.wal.bytes);
  t.is(await far.store.reader(there).lsn(main.head.seq), ends[1]);
  // An LSN that only the abandoned half of the frame has is found where this history has it.
  t.is(await far.store.reader(there).find(ends[1] + 8n), main.head.seq + 1);
});

test("a fork of a fork, from before the first one's own fork point, has nothing of what came later", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  let main = await growBranch(store, branch, chain, 4);
  const dev = await store.forkBranch("dev", main, main.head);
  main = await growBranch(store, main, chain, 2);
  for (const seq of [dev.head.seq - 2, branch.head.seq]) {
    const lsn = await store.reader(dev).lsn(seq);
    const early = await store.forkBranch(`early${seq}`, dev, await pointAt(store, dev, lsn));
    t.deepEqual(await walOf(store, early), forkWal(chain, lsn).wal.bytes);
    const own = forkWal(chain, lsn);
    t.deepEqual(await walOf(store, await growBranch(store, early, own, 3)), own.wal.bytes);
    t.is(store.requireBranch(`early${seq}`).parent, "dev");
  }
  // Inside the frame that dev ends with: the lesser LSN counts.
  chain.wal.record({ rmid: 10, info: 0, body: Buffer.alloc(64) });
  const inner = chain.wal.lsn;
  main = await growBranch(store, main, chain, 1);
  const first = await store.forkBranch("first", main, main.head);
  const second = await store.forkBranch("second", first, await pointAt(store, first, inner));
  t.deepEqual(await walOf(store, second), forkWal(chain, inner).wal.bytes);
});

test("deleting a parent harms no child, also after its garbage is collected and the store was reopened", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { branch, chain } = await importedBranch(temporary.store, "main");
  let main = await growBranch(temporary.store, branch, chain, 3);
  const child = await temporary.store.forkBranch("child", main, main.head);
  const own = forkWal(chain, child.head.lsn);
  const grown = await growBranch(temporary.store, child, own, 2);
  await temporary.store.forkBranch("grandchild", grown, grown.head);
  main = await growBranch(temporary.store, main, chain, 3);
  for (const name of ["main", "child"]) {
    await temporary.store.deleteBranch(name);
    await temporary.store.collectGarbage(true);
    await temporary.reopen();
    const left = temporary.store.requireBranch("grandchild");
    t.deepEqual(await walOf(temporary.store, left), own.wal.bytes);
  }
  t.like(temporary.store.requireBranch("grandchild"), {
    parent: undefined,
    bytes: grown.bytes,
    ownBytes: grown.bytes,
  });
});

test("a renamed branch is the same under its new name, and its forks name it so", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { main } = await branchOfRecords(store);
  await store.forkBranch("dev", main, main.head);
  await store.renameBranch("main", "trunk");
  t.is(store.getBranch("main"), undefined);
  t.deepEqual(store.requireBranch("trunk"), { ...main, name: "trunk" });
  t.is(store.requireBranch("dev").parent, "trunk");
  await t.throwsAsync(store.renameBranch("trunk", "dev"), { code: "duplicate_object" });
  await t.throwsAsync(store.renameBranch("main", "x"), { code: "undefined_object" });
  await t.throwsAsync(store.renameBranch("trunk", "a..b"), { code: "invalid_name" });
  await t.throwsAsync(store.deleteBranch("main"), { code: "undefined_object" });
});
