import test from "ava";
import { NeonError } from "../../../src/errors.js";
import { WalReader } from "../../../src/postgres/wal/wal-reader.js";
import { randomSizes, readAll } from "./read-all.js";
import { type BuiltRecord, WalBuilder } from "./wal-builder.js";

const SEGMENT = 1024 * 1024;
const START = 0x2_fff0_0000n; // the last segment below a multiple of 4 GiB

const record = (length: number, rmid = 10): BuiltRecord => ({
  rmid,
  info: 0x20,
  body: Buffer.from(Array.from({ length: length - 24 }, (_, index) => (index * 31 + length) & 255)),
});

function options(builder: WalBuilder) {
  return { startLsn: builder.startLsn, walSegmentSize: SEGMENT };
}

function lines(builder: WalBuilder) {
  return builder.records.map(({ start, prev, length }) => ({ lsn: start, prev, length }));
}

function found(builder: WalBuilder, nextSize?: () => number) {
  const { records, ends, reader } = readAll(builder.bytes, options(builder), nextSize);
  return { records: records.map(({ lsn, prev, length }) => ({ lsn, prev, length })), ends, reader };
}

function refusal(wal: Buffer, builder: WalBuilder): NeonError {
  try {
    new WalReader(options(builder)).push(wal);
  } catch (error) {
    return error as NeonError;
  }
  throw new Error("the WAL was taken");
}

test("a record that is split at any place by a page is found, in pieces of any size", (t) => {
  for (let room = 0; room <= 64; room += 8) {
    const builder = new WalBuilder(START);
    builder.fillUpTo(room);
    builder.record(record(61));
    builder.record(record(24));
    for (const size of [1, 7, 24, 8191, 1 << 20]) {
      t.deepEqual(
        found(builder, () => size).records,
        lines(builder),
        `${room} bytes of room, pieces of ${size}`,
      );
    }
  }
});

test("a record of several pages and the one after it are found", (t) => {
  const builder = new WalBuilder(START);
  builder.record(record(30_001));
  builder.record(record(50));
  const { records, reader } = found(builder, randomSizes(1, 9000));
  t.deepEqual(records, lines(builder));
  t.is(reader.endLsn, builder.lsn);
});

test("records go on over a segment's end and over the end of a 4 GiB stretch", (t) => {
  const builder = new WalBuilder(START);
  while (builder.lsn < START + BigInt(SEGMENT)) builder.record(record(5001));
  builder.record(record(77));
  const { records, ends } = found(builder, randomSizes(2, 100_000));
  t.deepEqual(records, lines(builder));
  t.deepEqual(
    ends,
    builder.records.map(({ end }) => end),
  );
  t.true(ends.at(-1) !== undefined && (ends.at(-1) as bigint) > 0x3_0000_0000n);
});

test("the end of a record that fills its page is the page boundary", (t) => {
  const builder = new WalBuilder(START);
  builder.fillUpTo(0);
  t.is(found(builder).reader.endLsn, START + 8192n);
  t.deepEqual(found(builder).ends, [START + 8192n]);
});

test("a record is complete only with its padding", (t) => {
  const builder = new WalBuilder(START);
  builder.record(record(24));
  const { end } = builder.record(record(25));
  const reader = new WalReader(options(builder));
  reader.push(builder.bytes.subarray(0, -1));
  t.is(reader.endLsn, START + 40n + 24n);
  reader.push(builder.bytes.subarray(-1));
  t.is(reader.endLsn, end);
});

test("after a segment switch the end is the next segment's start, once the bytes up to there have come", (t) => {
  const builder = new WalBuilder(START);
  const before = builder.record(record(100));
  builder.switchSegment();
  const { bytes } = builder;
  const reader = new WalReader(options(builder));
  reader.push(bytes.subarray(0, -1));
  t.is(reader.endLsn, before.end);
  t.is(reader.position, START + BigInt(SEGMENT) - 1n);
  reader.push(bytes.subarray(-1));
  t.is(reader.endLsn, START + BigInt(SEGMENT));
  builder.record(record(40));
  t.deepEqual(found(builder, randomSizes(3, 20_000)).records, lines(builder));
});

test("a segment switch whose header is split by a page is one too", (t) => {
  const builder = new WalBuilder(START);
  builder.fillUpTo(8);
  builder.switchSegment();
  builder.record(record(40));
  for (const size of [1, 100_000]) t.deepEqual(found(builder, () => size).records, lines(builder));
});

test("a segment switch in the very last bytes of a segment needs no padding", (t) => {
  const builder = new WalBuilder(START);
  while (builder.lsn < START + BigInt(SEGMENT) - 8192n) builder.fillUpTo(0);
  builder.fillUpTo(24);
  builder.switchSegment();
  builder.record(record(40));
  t.deepEqual(found(builder).records, lines(builder));
});

test("what follows a segment switch in its segment is not looked at", (t) => {
  const builder = new WalBuilder(START);
  const { start } = builder.switchSegment();
  const wal = builder.bytes.fill(0xff, Number(start - START) + 24);
  const reader = new WalReader(options(builder));
  reader.push(wal);
  t.is(reader.endLsn, START + BigInt(SEGMENT));
});

test("reading can begin in the middle of a record", (t) => {
  for (const length of [1, 8, 100, 8152, 8153, 20_000]) {
    const builder = new WalBuilder(START);
    builder.beginInside(length);
    const boundary = builder.lsn;
    const reader = new WalReader(options(builder));
    reader.push(builder.bytes.subarray(0, -1));
    t.is(reader.endLsn, START, "before the rest is there");
    reader.push(builder.bytes.subarray(-1));
    t.is(reader.endLsn, boundary);
    builder.record(record(99));
    for (const size of [1, 40_000]) t.deepEqual(found(builder, () => size).records, lines(builder));
  }
});

test("a record that a crash left unfinished is given up where the next page says so", (t) => {
  for (const room of [8, 16, 24, 32, 4000]) {
    const builder = new WalBuilder(START);
    const before = builder.fillUpTo(room);
    builder.abandon(record(9000));
    const reader = new WalReader(options(builder));
    reader.push(builder.bytes);
    t.is(reader.endLsn, before.end, "the unfinished record has no end");
    builder.record({ rmid: 0, info: 0xd0, body: Buffer.alloc(16) });
    builder.record(record(40));
    for (const size of [1, 5000]) t.deepEqual(found(builder, () => size).records, lines(builder));
  }
});

test("a record that began before the first byte can be given up too", (t) => {
  const builder = new WalBuilder(START);
  builder.beginInside(8152 + 8168 + 100);
  const wal = builder.bytes.subarray(0, 8192);
  const after = new WalBuilder(START + 8192n);
  after.abandon(record(9000)); // gives the flag to the page after
  after.record({ rmid: 0, info: 0xd0, body: Buffer.alloc(16) });
  const page = after.bytes.subarray(8192);
  page.writeBigUInt64LE(START + 8192n, 8);
  const { records } = readAll(Buffer.concat([wal, page]), options(builder));
  t.is(records[0]?.lsn, START + 8192n + 24n);
});

test("a page's timeline id may rise, and may not fall", (t) => {
  const builder = new WalBuilder(START);
  builder.fillUpTo(0);
  builder.timelineId = 3;
  builder.fillUpTo(0);
  t.is(found(builder).reader.timelineId, 3);
  builder.timelineId = 2;
  builder.record(record(30));
  t.regex(refusal(builder.bytes, builder).message, /2\/FFF04000.* timeline 2 after one of timeline 3/);
});

test("the page magic tells the major version, and no other is taken", (t) => {
  for (const [magic, major] of [
    [0xd10d, 14],
    [0xd110, 15],
    [0xd113, 16],
    [0xd116, 17],
    [0xd118, 18],
  ] as const) {
    const builder = new WalBuilder(START);
    builder.magic = magic;
    builder.record(record(30));
    t.is(found(builder).reader.majorVersion, major);
  }
  const builder = new WalBuilder(START);
  builder.magic = 0xd106;
  builder.record(record(30));
  t.regex(refusal(builder.bytes, builder).message, /magic number D106/);
});

test("WAL of two versions, of another cluster or of another segment size is refused", (t) => {
  const versions = new WalBuilder(START);
  versions.fillUpTo(0);
  versions.magic = 0xd113;
  versions.record(record(30));
  t.regex(refusal(versions.bytes, versions).message, /PostgreSQL 16 among those of 15/);

  const one = new WalBuilder(START);
  one.record(record(30));
  const other = { ...options(one), systemIdentifier: 8n };
  const error = t.throws(() => new WalReader(other).push(one.bytes), { instanceOf: NeonError });
  t.regex(error?.message ?? "", /system identifier is 7, expected 8/);

  const size = { startLsn: START, walSegmentSize: 2 * SEGMENT };
  const atStart = new WalBuilder(0x2_ffe0_0000n);
  atStart.record(record(30));
  t.throws(() => new WalReader({ ...size, startLsn: 0x2_ffe0_0000n }).push(atStart.bytes), {
    message: /segment size is 1048576, expected 2097152/,
  });
});

test("a length that no record has is refused before its bytes are waited for", (t) => {
  for (const length of [0, 23, 1020 * 1024 * 1024 + 1, 0xffffffff]) {
    const builder = new WalBuilder(START);
    const { start } = builder.record(record(30));
    const wal = builder.bytes;
    wal.writeUInt32LE(length, Number(start - START));
    const error = refusal(wal.subarray(0, Number(start - START) + 4), builder);
    t.is(error.sqlstate, "XX001");
    t.is(error.party, "source");
    t.regex(error.message, /2\/FFF00028.* a record cannot be/);
  }
});

test("a damaged byte anywhere in a record or page header is refused, and the end stays before it", (t) => {
  const builder = new WalBuilder(START);
  builder.record(record(301));
  builder.fillUpTo(16);
  builder.record(record(8500));
  builder.record(record(40));
  builder.fillUpTo(0);
  builder.fillUpTo(0);
  const { bytes } = builder;
  for (const { start, end, length } of builder.records.slice(0, 4)) {
    const from = Number(start - START);
    let left = length;
    for (let at = from; left > 0; at++) {
      if (at % 8192 < 24) continue; // a page header: below
      left--;
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const reader = new WalReader(options(builder));
      t.throws(() => reader.push(damaged), { instanceOf: NeonError, code: "data_corrupted" }, `byte ${at}`);
      t.true(reader.endLsn < end, `byte ${at}`);
      t.throws(() => reader.push(Buffer.alloc(1)), { code: "data_corrupted" }, "and stays refused");
    }
  }
  for (const at of [0, 1, 2, 3, 8, 9, 15, 24, 31, 32, 36, 8192, 8194, 8200, 8208, 8211]) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 0x10;
    const reader = new WalReader({ ...options(builder), systemIdentifier: builder.systemIdentifier });
    t.throws(() => reader.push(damaged), { instanceOf: NeonError, code: "data_corrupted" }, `byte ${at}`);
  }
});

test("a record that does not follow the one before it is refused", (t) => {
  const builder = new WalBuilder(START);
  const records = [40, 48, 48].map((length) => builder.record(record(length)));
  const [, second, third] = records.map(({ start }) => Number(start - START));
  const wal = Buffer.concat([builder.bytes.subarray(0, second), builder.bytes.subarray(third)]);
  t.regex(refusal(wal, builder).message, /2\/FFF00050.* claims to follow the one at 2\/FFF00050/);
});

test("only records that are selected are handed out", (t) => {
  const builder = new WalBuilder(START);
  for (const rmid of [10, 5, 11, 5]) builder.record(record(9000, rmid));
  const { records } = readAll(
    builder.bytes,
    { ...options(builder), select: (rmid, info) => rmid === 5 && info === 0x20 },
    randomSizes(4, 5000),
  );
  t.deepEqual(
    records.map(({ lsn }) => lsn),
    [builder.records[1]?.start, builder.records[3]?.start],
  );
});

test("a record's bytes come without the page headers in it", (t) => {
  const builder = new WalBuilder(START);
  builder.fillUpTo(16);
  const split = record(20_000);
  builder.record(split);
  const bodies: Buffer[] = [];
  const onRecord = ({ bytes }: { bytes: Buffer }) => bodies.push(Buffer.from(bytes.subarray(24)));
  readAll(builder.bytes, { ...options(builder), onRecord }, randomSizes(5, 3000));
  t.deepEqual(bodies[1], split.body);
});

test("reading cannot begin inside a page", (t) => {
  t.throws(() => new WalReader({ startLsn: START + 8n, walSegmentSize: SEGMENT }), {
    instanceOf: NeonError,
    code: "invalid_parameter_value",
  });
});
