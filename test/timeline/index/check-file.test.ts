import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import test, { type ExecutionContext } from "ava";
import { BranchRefSchema, LeaseSchema, SegmentInfoSchema } from "../../../gen/neon/store/v1/store_pb.js";
import { randomNumbers } from "../../../scripts/kill-test/random-numbers.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../../src/errors.js";
import { checkFile } from "../../../src/timeline/index/check-file.js";
import { Refs } from "../../../src/timeline/refs.js";

const PAGE = 4096;
/** Bytes of a meta page that say something. */
const META_BYTES = 0xb0;
const TRANSACTION = 0x98;
/** In each stretch of so many bytes of the file one bit is flipped. FUZZ_STEP=1 takes some minutes, and is for a change of what is checked. */
const STEP = Number(process.env.FUZZ_STEP ?? 61);
/** How many of the files that are found sound are given to LMDB. */
const TRIED = 40;

const random = randomNumbers(20261125);
const below = (limit: number) => Math.floor(random() * limit);
const id = (i: number) => createHash("md5").update(String(i)).digest("hex");

function fill(refs: Refs, from: number): Promise<void> {
  return refs.transaction(() => {
    for (let i = from; i < from + 20; i++) {
      refs.extent.put([id(i), i], id(-i));
      refs.segment.put(id(-i), create(SegmentInfoSchema, { state: 2, durableLength: BigInt(i) }));
      const digest = createHash("sha256").update(id(i)).digest();
      if (i % 4 === 0) refs.branch.put(`branch-${i}`, create(BranchRefSchema, { digest, seq: BigInt(i) }));
      if (i % 7 === 0) refs.segment.remove(id(-i + 7));
    }
  });
}

/** An index with a history: trees of two levels, free pages. Returns its directory. */
async function makeIndex(t: ExecutionContext): Promise<string> {
  const temporary = await createTemporaryDirectory("neon-index-");
  t.teardown(() => temporary.remove());
  const directory = join(temporary.path, "refs");
  await Refs.create(directory);
  const refs = await Refs.open(directory);
  for (let i = 0; i < 10; i++) await fill(refs, 20 * i);
  await refs.close();
  return directory;
}

function content(refs: Refs): string {
  const tables = [refs.branch, refs.timeline, refs.extent, refs.segment, refs.damage, refs.lease, refs.slot];
  const plain = (_: string, value: unknown) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? [...value] : value;
  return JSON.stringify(
    tables.map((table) => [...table.entries()]),
    plain,
  );
}

/** What is wrong with a file, or undefined. Throws what is no verdict. */
function verdict(path: string): string | undefined {
  try {
    checkFile(path);
    return undefined;
  } catch (error) {
    if ((error as NeonError).code !== "data_corrupted") throw error;
    return (error as NeonError).message;
  }
}

test("whichever bit of the index's file is flipped: it is told, or nothing of the index depends on it", async (t) => {
  const directory = await makeIndex(t);
  const path = join(directory, "data.mdb");
  const sound = await readFile(path);
  t.is(verdict(path), undefined);
  const opened = await Refs.open(directory);
  const before = content(opened);
  await opened.close();

  const flips: [at: number, bit: number][] = [];
  for (const page of [0, PAGE])
    for (let at = page; at < page + META_BYTES; at++)
      for (let bit = 0; bit < 8; bit++) flips.push([at, 1 << bit]);
  for (let at = 2 * PAGE; at < sound.length; at += STEP) flips.push([at, 1 << below(8)]);
  const harmless: [number, number][] = [];
  const file = openSync(path, "r+");
  for (const [at, bit] of flips) {
    writeSync(file, Buffer.of(sound[at] ^ bit), 0, 1, at);
    if (verdict(path) === undefined) harmless.push([at, bit]);
    writeSync(file, sound, at, 1, at);
  }
  closeSync(file);
  const told = flips.length - harmless.length;
  t.true(told > 1000, `${told} of ${flips.length} flips were told`);

  for (let i = 0; i < TRIED; i++) {
    const [at, bit] = harmless[below(harmless.length)];
    const copy = join(directory, String(i));
    await mkdir(copy);
    const bytes = Buffer.from(sound);
    bytes[at] ^= bit;
    await writeFile(join(copy, "data.mdb"), bytes);
    const refs = await Refs.open(copy);
    t.is(content(refs), before, `bit ${bit} of byte ${at}`);
    // Nor does a later change come to harm: pages that are free are written again.
    for (let change = 0; change < 5; change++)
      await refs.transaction(() =>
        refs.lease.put(id(change), create(LeaseSchema, { deadline: BigInt(change) })),
      );
    await refs.transaction(() => {
      for (const [key] of [...refs.lease.entries()]) refs.lease.remove(key);
    });
    refs.check();
    t.is(content(refs), before, `bit ${bit} of byte ${at}, after changes`);
    await refs.close();
  }
});

/** Changes every place of a word. */
function rename(bytes: Buffer, word: string, to: string): void {
  for (let at = bytes.indexOf(word); at !== -1; at = bytes.indexOf(word, at + 1))
    bytes.write(to, at, "latin1");
}

const DAMAGES: Record<string, [(bytes: Buffer) => void, RegExp]> = {
  "a branch has got another name": [
    (bytes) => rename(bytes, "branch-100", "branch-10x"),
    /an entry of its table branch is not as it was written/,
  ],
  "a table has got another name": [
    (bytes) => rename(bytes, "branch\0", "bran?h\0"),
    /its tables are not those that it was made with/,
  ],
  "a segment has got another place": [
    (bytes) => rename(bytes, id(-8), id(-9)),
    /an entry of its table (extent|segment) is not|page \d+ is not/,
  ],
  "the older snapshot calls itself the newer one": [
    (bytes) => {
      const transactions = [0, PAGE].map((page) => Number(bytes.readBigUInt64LE(page + TRANSACTION)));
      const older = transactions[0] < transactions[1] ? 0 : 1;
      bytes.writeBigUInt64LE(BigInt(transactions[older] + 2), older * PAGE + TRANSACTION);
    },
    /does not tell which transaction was the last/,
  ],
  "the newer snapshot calls itself the older one": [
    (bytes) => {
      const transactions = [0, PAGE].map((page) => Number(bytes.readBigUInt64LE(page + TRANSACTION)));
      const newer = transactions[0] > transactions[1] ? 0 : 1;
      bytes.writeBigUInt64LE(BigInt(transactions[newer] - 2), newer * PAGE + TRANSACTION);
    },
    /does not tell which transaction was the last/,
  ],
};

for (const [what, [damage, told]] of Object.entries(DAMAGES)) {
  test(`it is told where ${what}`, async (t) => {
    const directory = await makeIndex(t);
    const path = join(directory, "data.mdb");
    const bytes = await readFile(path);
    damage(bytes);
    await writeFile(path, bytes);
    t.regex(verdict(path) ?? "nothing", told);
    const { hint } = (await t.throwsAsync<NeonError>(Refs.open(directory))) as NeonError;
    t.regex(hint ?? "", /neon repair --rebuild-index/);
  });
}

test("a transaction whose last page the disk did not take is no newer one that was lost, if it is known", async (t) => {
  const directory = await makeIndex(t);
  const path = join(directory, "data.mdb");
  const refs = await Refs.open(directory);
  const before = content(refs);
  const newest = transactionOf(await readFile(path));
  await fill(refs, 1000);
  await refs.close();
  // What LMDB leaves: the meta page of the failed transaction, with the number that stood there before.
  const bytes = await readFile(path);
  const page = ((newest + 1) % 2) * PAGE;
  t.is(Number(bytes.readBigUInt64LE(page + TRANSACTION)), newest + 1);
  bytes.writeBigUInt64LE(BigInt(newest - 1), page + TRANSACTION);
  await writeFile(path, bytes);

  t.regex(verdict(path) ?? "", /does not tell which transaction was the last/);
  await writeFile(`${path}.unwritten`, String(newest));
  const reopened = await Refs.open(directory);
  t.is(content(reopened), before);
  t.false(existsSync(`${path}.unwritten`), "it counts for this one failure only");
  await fill(reopened, 1000);
  reopened.check();
  await reopened.close();
});

function transactionOf(bytes: Buffer): number {
  return Math.max(...[0, PAGE].map((page) => Number(bytes.readBigUInt64LE(page + TRANSACTION))));
}

test("what a table holds cannot be changed outside a transaction, and a change that throws counts for nothing", async (t) => {
  const directory = await makeIndex(t);
  const refs = await Refs.open(directory);
  const before = content(refs);
  t.throws(() => refs.branch.remove("branch-100"), { message: /outside a transaction/ });
  const stop = new Error("stop");
  const change = refs.transaction(() => {
    refs.branch.remove("branch-100");
    throw stop;
  });
  await t.throwsAsync(change, { is: stop });
  t.is(content(refs), before);
  refs.check();
  await fill(refs, 5000);
  refs.check();
  await refs.close();
});
