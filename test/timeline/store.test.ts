import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../src/errors.js";
import type { ChainReader } from "../../src/timeline/chain-reader.js";
import { Store } from "../../src/timeline/store.js";
import { flipByte } from "../fault/support/flip-byte.js";
import { temporaryStore, writeChain } from "../support/temporary-store.js";

async function count(reader: ChainReader): Promise<number> {
  let frames = 0;
  for await (const _ of reader.frames()) frames++;
  return frames;
}

test("a branch appears when it is created, whole, and is there after reopening", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const writer = await writeChain(temporary.store, { frames: 200 });
  t.deepEqual(temporary.store.listBranches(), []);
  const created = await temporary.store.createBranch("main", writer);
  t.is(created.frames, 201);
  t.is(await count(temporary.store.reader(created)), 201);
  await temporary.reopen();
  const branch = temporary.store.requireBranch("main");
  t.deepEqual(branch, created);
  t.is(await count(temporary.store.reader(branch)), 201);
});

test("records come back as they were, in order", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const writer = await writeChain(temporary.store, { frames: 0 });
  const lsn = 0x1000000n;
  const pages = Array.from({ length: 20 }, () => randomBytes(8192 * 8));
  for (const data of pages) {
    const record = { case: "filePiece", value: { path: Buffer.from("x"), offset: 0n, data } } as const;
    await writer.append(FrameKind.BASE, lsn, lsn, [{ record }]);
    data.fill(0, 0, 1); // the caller may reuse its buffer as soon as append returns
  }
  const branch = await temporary.store.createBranch("main", writer);
  let i = 0;
  for await (const { records, header } of temporary.store.readFrames(branch)) {
    if (header.kind !== FrameKind.BASE) continue;
    const record = records[0].record;
    if (record.case !== "filePiece") return t.fail();
    t.deepEqual(Buffer.from(record.value.data).subarray(1), pages[i++].subarray(1));
  }
  t.is(i, pages.length);
});

test("a taken name is refused and both chains stay as they are", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const first = await temporary.store.createBranch("main", await writeChain(temporary.store));
  const writer = await writeChain(temporary.store);
  await t.throwsAsync(temporary.store.createBranch("main", writer), { code: "duplicate_object" });
  t.deepEqual(temporary.store.requireBranch("main"), first);
  const other = await temporary.store.createBranch("other", writer);
  t.is(await count(temporary.store.reader(other)), other.frames);
});

test("an aborted chain leaves no file behind", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const writer = await writeChain(temporary.store, { frames: 50 });
  await writer.flush();
  t.is((await readdir(join(temporary.path, "segments"))).length, 1);
  await writer.abort();
  t.deepEqual(await readdir(join(temporary.path, "segments")), []);
});

test("what a dead process left behind is deleted at the next opening, and nothing else", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const branch = await temporary.store.createBranch("main", await writeChain(temporary.store));
  await (await writeChain(temporary.store)).flush(); // never finished
  t.is((await readdir(join(temporary.path, "segments"))).length, 2);
  await temporary.reopen();
  t.is((await readdir(join(temporary.path, "segments"))).length, 1);
  t.is(await count(temporary.store.reader(branch)), branch.frames);
});

test("a chain goes on in a new segment when one is full, and reads as one", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const writer = await writeChain(temporary.store, { frames: 0 });
  const lsn = 0x1000000n;
  const data = randomBytes(1 << 20);
  for (let i = 0; i < 300; i++) {
    const record = { case: "filePiece", value: { path: Buffer.from(`f${i}`), offset: 0n, data } } as const;
    await writer.append(FrameKind.BASE, lsn, lsn, [{ record }]);
  }
  const branch = await temporary.store.createBranch("main", writer);
  t.is((await readdir(join(temporary.path, "segments"))).length, 2);
  t.is(await count(temporary.store.reader(branch)), 301);
  const reader = temporary.store.reader(branch);
  let next = 290;
  for await (const run of reader.runs(290)) {
    t.is(run.firstSeq, next);
    next = run.lastSeq + 1;
  }
  t.is(next, 301);
});

test("damage at any place of a segment is found when the branch is read", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const branch = await temporary.store.createBranch(
    "main",
    await writeChain(temporary.store, { frameBytes: 100 }),
  );
  const [name] = await readdir(join(temporary.path, "segments"));
  const path = join(temporary.path, "segments", name);
  const whole = await readFile(path);
  for (let i = 0; i < branch.bytes; i += 7) {
    const damaged = Buffer.from(whole);
    damaged[i] ^= 0x01;
    await writeFile(path, damaged);
    await t.throwsAsync(count(temporary.store.reader(branch)), undefined, `byte ${i}`);
  }
  await writeFile(path, whole);
  t.is(await count(temporary.store.reader(branch)), branch.frames);
});

test("a segment that was cut short is damage, not an end", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const branch = await temporary.store.createBranch("main", await writeChain(temporary.store));
  const [name] = await readdir(join(temporary.path, "segments"));
  const path = join(temporary.path, "segments", name);
  const { size } = await stat(path);
  for (const length of [0, 4, size >> 1, size - 1]) {
    await writeFile(path, (await readFile(path)).subarray(0, length));
    await t.throwsAsync(count(temporary.store.reader(branch)), { code: "data_corrupted" });
  }
});

test("a transaction that throws changes nothing", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const writer = await writeChain(temporary.store);
  await temporary.store.createBranch("main", writer);
  await t.throwsAsync(temporary.store.createBranch("main", writer), { code: "duplicate_object" });
  await temporary.reopen();
  t.is(temporary.store.listBranches().length, 1);
});

test("a store that another process has taken over is not written to any more", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  await temporary.store.createBranch("main", await writeChain(temporary.store));
  await temporary.store.close();
  let held = true;
  const taken = new NeonError("object_in_use", "taken over");
  temporary.store = await Store.open(temporary.path, {
    assertHeld() {
      if (!held) throw taken;
    },
  });
  const writer = await writeChain(temporary.store);
  await writer.flush();
  held = false;
  await t.throwsAsync(temporary.store.createBranch("other", writer), { is: taken });
  await t.throwsAsync(temporary.store.deleteBranch("main"), { is: taken });
  await temporary.reopen();
  t.deepEqual(
    temporary.store.listBranches().map(({ name }) => name),
    ["main"],
  );
});

test("nothing is appended behind a frame whose header was changed on disk, and the one before counts as before", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  const branch = await store.createBranch("main", await writeChain(store, { frames: 3 }));
  const reader = store.reader(branch);
  const [{ segmentId }] = reader.extents;
  const path = join(temporary.path, "segments", segmentId);
  const begin = await reader.bytes(0, 2);
  const lsn = await reader.lsn(2);
  let refused = 0;
  // Type and length of the message, its envelope, and then the fields of the header.
  for (let i = 0; i < 100; i++) {
    await flipByte(path, begin + i);
    await t.throwsAsync(store.beginChain(branch), undefined, `byte ${i}`);
    t.is(await reader.lsn(2), lsn);
    refused++;
    await flipByte(path, begin + i);
  }
  t.is(refused, 100);
  await (await store.beginChain(branch)).abort();
});
