import test from "ava";
import { createPostgres } from "../../../scripts/support/postgres.js";
import { parseLsn } from "../../../src/lsn.js";
import { findRecordBoundary } from "../../../src/postgres/wal/find-record-boundary.js";
import { pushInPieces, randomSizes } from "./read-all.js";
import { flushedLsn, KEEP_WAL, walOf } from "./real-wal.js";
import { WalBuilder } from "./wal-builder.js";

const SEGMENT = 1024 * 1024;
const START = 0x1230_0000n;

function find(builder: WalBuilder, lsn: bigint, bytes = builder.bytes): Promise<bigint | undefined> {
  return findRecordBoundary(lsn, { startLsn: START, walSegmentSize: SEGMENT, pieces: [bytes] });
}

const body = (length: number) => ({ rmid: 10, info: 0, body: Buffer.alloc(length, 1) });

test("of all LSNs, those where a record ends are boundaries, and each has one form", async (t) => {
  const builder = new WalBuilder(START);
  builder.beginInside(50);
  builder.record(body(30));
  builder.fillUpTo(0);
  builder.record(body(9000));
  builder.record(body(3));
  const expected = new Map(builder.records.map(({ end }) => [end, end]));
  expected.set(START + 40n + 56n, START + 40n + 56n); // the end of the record that began earlier
  expected.set(START + 8192n + 24n, START + 8192n);
  const { bytes } = builder;
  for (let lsn = START; lsn <= builder.lsn + 8n; lsn += lsn < START + 8300n ? 1n : 4n) {
    const found = await find(builder, lsn, bytes);
    t.is(found, expected.get(lsn), `${lsn - START} bytes on`);
  }
});

test("the end of a segment switch is the start of the next segment, however it is written", async (t) => {
  for (const room of [24, 48, 16, 100]) {
    const builder = new WalBuilder(START);
    builder.fillUpTo(room);
    const { start, end } = builder.switchSegment();
    const afterRecord = room === 16 ? start + 16n + 24n + 8n : start + 24n;
    t.is(await find(builder, afterRecord), end);
    if (room === 24)
      t.is(await find(builder, afterRecord + 24n), end, "just past a header that was never written");
    t.is(await find(builder, end), end);
    t.is(await find(builder, end + 40n), end);
    t.is(await find(builder, afterRecord + 8n), undefined);
    t.is(await find(builder, end - 8n), undefined);
  }
});

test("the place where a record was given up is no boundary", async (t) => {
  const builder = new WalBuilder(START);
  const { end } = builder.fillUpTo(100);
  builder.abandon(body(9000));
  const given = builder.lsn;
  builder.record(body(16));
  t.is(await find(builder, end), end);
  t.is(await find(builder, given), undefined);
  t.is(await find(builder, given + 24n), undefined);
});

test("an LSN beyond the stored WAL is no boundary of it", async (t) => {
  const builder = new WalBuilder(START);
  builder.record(body(100));
  const { end } = builder.record(body(100));
  t.is(await find(builder, end, builder.bytes.subarray(0, -8)), undefined);
  t.is(await find(builder, end + 8n), undefined);
});

test("damage before the LSN is an error, damage after it is not looked at", async (t) => {
  const builder = new WalBuilder(START);
  const first = builder.record(body(100));
  const second = builder.record(body(100));
  const damaged = builder.bytes;
  damaged.writeUInt8(0x77, Number(second.start - START) + 30);
  t.is(await find(builder, first.end, damaged), first.end);
  await t.throwsAsync(find(builder, second.end, damaged), { code: "data_corrupted" });
});

test("every LSN where Postgres would insert next is a boundary, and so is what pg_switch_wal answers", async (t) => {
  const postgres = await createPostgres({ major: 15, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
  t.teardown(() => postgres.remove());
  await postgres.query("create table a (a text); alter table a alter a set storage external");
  const said: bigint[] = [];
  const switches: bigint[] = [];
  for (let i = 0; i < 60; i++) {
    await postgres.query(`insert into a values (repeat('x', ${i * 400}))`);
    if (i % 20 === 7) {
      const [[text]] = (await postgres.query("select pg_switch_wal()")) as [[string]];
      switches.push(parseLsn(text));
    }
    const [[text]] = (await postgres.query("select pg_current_wal_insert_lsn()")) as [[string]];
    said.push(parseLsn(text));
  }
  const wal = walOf(postgres.dataDir, SEGMENT, await flushedLsn(postgres));
  const boundary = (lsn: bigint) => {
    const from = Number((lsn - 1n - wal.startLsn) / BigInt(SEGMENT)) * SEGMENT;
    const pieces: Buffer[] = [];
    pushInPieces(wal.bytes.subarray(from), randomSizes(Number(lsn & 0xffffn), 300_000), (piece) =>
      pieces.push(Buffer.from(piece)),
    );
    return findRecordBoundary(lsn, {
      startLsn: wal.startLsn + BigInt(from),
      walSegmentSize: SEGMENT,
      pieces,
    });
  };
  for (const lsn of said) {
    const header = lsn % BigInt(SEGMENT) === 40n ? 40n : lsn % 8192n === 24n ? 24n : 0n;
    if (header === 40n) continue; // its record ends in the segment before: asked for below, by its other names
    t.is(await boundary(lsn), lsn - header);
    t.is(await boundary(lsn + 8n), undefined);
  }
  for (const lsn of switches) {
    t.is(await boundary(lsn), ((lsn - 1n) / BigInt(SEGMENT) + 1n) * BigInt(SEGMENT));
  }
});
