import { readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  createStandby,
  POSTGRES_MAJORS,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import { formatLsn, parseLsn } from "../../../src/lsn.js";
import { parseRecord } from "../../../src/postgres/wal/parse-record.js";
import { WalReader, type WalReaderOptions } from "../../../src/postgres/wal/wal-reader.js";
import type { WalRecord } from "../../../src/postgres/wal/wal-record.js";
import { type RecordLine, randomSizes, readAll } from "./read-all.js";
import {
  dumpWal,
  flushedLsn,
  KEEP_WAL,
  RESOURCE_MANAGERS,
  type RealWal,
  walDumpOf,
  walOf,
} from "./real-wal.js";

const MiB = 1024 * 1024;
const walDump = walDumpOf(15);
const FORKS = ["main", "fsm", "vm", "init"];

/** Writes records of many kinds and sizes, and ends with a synced commit. */
async function work(postgres: TestPostgres, table: string): Promise<void> {
  await postgres.query(`create table ${table} (id int primary key, body text, tags int[])`);
  await postgres.query(`alter table ${table} alter column body set storage external`);
  await postgres.query(
    `insert into ${table} select i, repeat(md5(i::text), 1 + i % 90), array[i, i % 7] from generate_series(1, 3000) i`,
  );
  await postgres.query(`create index on ${table} using gin (tags)`);
  await postgres.query(`insert into ${table} values (0, repeat('big row ', 200000))`);
  for (let i = 0; i < 30; i++)
    await postgres.query(`update ${table} set body = body || '.' where id % 30 = ${i}`);
  await postgres.query("checkpoint");
  await postgres.query(`delete from ${table} where id % 3 = 0`);
  await postgres.query(`vacuum ${table}`);
  await postgres.query("select pg_switch_wal()");
  await postgres.query(`create table ${table}_copy as select * from ${table}`);
  await postgres.query(`truncate ${table}_copy`);
  await postgres.query(`select pg_logical_emit_message(false, 'padding', repeat('x', 3000000))`);
  await postgres.query("begin; create table gone (); savepoint a; insert into gone default values; rollback");
  await postgres.query(`create database ${table}_db`);
}

const byPgWaldump = walDump === undefined ? test.skip : test;

byPgWaldump(
  "every record that pg_waldump finds is found, over a promotion, in pieces of any size",
  async (t) => {
    const primary = await createPostgres({ major: 15, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
    t.teardown(() => primary.remove());
    await work(primary, "one");
    const standby = await createStandby(primary);
    t.teardown(() => standby.remove());
    await work(primary, "two");
    const head = await flushedLsn(primary);
    for (let replayed = 0n; replayed < head; ) {
      const [[lsn]] = (await standby.query("select pg_last_wal_replay_lsn()")) as [[string]];
      replayed = parseLsn(lsn);
      await sleep(20);
    }
    await primary.stop("immediate");
    await standby.promote();
    await work(standby, "three");
    await standby.query("checkpoint");
    const end = await flushedLsn(standby);
    await standby.stop("immediate");

    const wal = walOf(standby.dataDir, MiB, end);
    const history = readFileSync(join(standby.dataDir, "pg_wal", "00000002.history"), "utf8");
    const [, switchLsn] = history.split("\t") as [string, string];
    const dumped = [
      ...dumpWal(walDump as string, standby.dataDir, 1, formatLsn(wal.startLsn), switchLsn),
      ...dumpWal(walDump as string, standby.dataDir, 2, switchLsn, formatLsn(end)),
    ];
    t.true(dumped.length > 20_000, `${dumped.length} records`);
    t.true(dumped.some(({ lsn }) => lsn < parseLsn(switchLsn)) && end > parseLsn(switchLsn));
    const blocks: string[][] = [];
    const { records, reader } = readAll(wal.bytes, {
      startLsn: wal.startLsn,
      walSegmentSize: MiB,
      onRecord: (record) => {
        blocks.push(blocksOf(record));
      },
    });
    assertSame(t, records, dumped);
    const wrong = dumped.findIndex((record, index) => record.blocks.join() !== blocks[index]?.join());
    t.deepEqual(blocks[wrong], dumped[wrong]?.blocks);
    t.is(reader.endLsn, end);
    t.is(reader.timelineId, 2);
    for (const seed of [1, 2, 3]) {
      const again = readAll(
        wal.bytes,
        { startLsn: wal.startLsn, walSegmentSize: MiB },
        randomSizes(seed, 500_000),
      );
      t.deepEqual(again.records, records, `seed ${seed}`);
    }
  },
);

byPgWaldump(
  "a record that a crash left without its end is given up, as pg_waldump gives it up",
  async (t) => {
    const postgres = await createPostgres({ major: 15, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
    t.teardown(() => postgres.remove());
    await postgres.query("create table kept as select generate_series(1, 1000) as id; checkpoint");
    const before = await flushedLsn(postgres);
    await postgres.query("select pg_logical_emit_message(false, 'lost', repeat('x', 3000000))");
    await postgres.query("select pg_switch_wal()");
    await postgres.stop("immediate");
    const lost = Number(before / BigInt(MiB)) + 2;
    unlinkSync(join(postgres.dataDir, "pg_wal", `0000000100000000${hex(lost)}`));
    await postgres.restart();
    await postgres.query("create table later as select generate_series(1, 1000) as id");
    const end = await flushedLsn(postgres);
    await postgres.stop("immediate");

    const wal = walOf(postgres.dataDir, MiB, end);
    const dumped = dumpWal(walDump as string, postgres.dataDir, 1, formatLsn(wal.startLsn), formatLsn(end));
    const infos: number[] = [];
    const options = {
      startLsn: wal.startLsn,
      walSegmentSize: MiB,
      onRecord: ({ rmid, info }: WalRecord) => infos.push(rmid * 256 + info),
    };
    const { records, reader } = readAll(wal.bytes, options, randomSizes(7, 100_000));
    t.true(infos.includes(0xd0), "XLOG_OVERWRITE_CONTRECORD");
    assertSame(t, records, dumped);
    t.is(reader.endLsn, end);
  },
);

for (const major of [15, 18] as const) {
  test(`every record that pg_walinspect of ${major} finds is found`, async (t) => {
    const postgres = await createPostgres({ major, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
    t.teardown(() => postgres.remove());
    await postgres.query("create extension pg_walinspect");
    const start = await flushedLsn(postgres);
    await work(postgres, "one");
    const end = await flushedLsn(postgres);
    const rows = await postgres.query(
      `select start_lsn, end_lsn, prev_lsn, resource_manager, record_length
       from pg_get_wal_records_info('${formatLsn(start)}', '${formatLsn(end)}')`,
    );
    const inspected = rows.map(([lsn, , prev, name, length]) => ({
      lsn: parseLsn(lsn as string),
      prev: parseLsn(prev as string),
      rmid: RESOURCE_MANAGERS.indexOf(name as string),
      length: Number(length),
    }));
    t.true(inspected.length > 10_000, `${inspected.length} records`);
    const wal = walOf(postgres.dataDir, MiB, end);
    const { records, reader } = readAll(wal.bytes, options(wal), randomSizes(major, 100_000));
    assertSame(
      t,
      records.filter(({ lsn }) => lsn >= start),
      inspected,
    );
    t.is(reader.endLsn, end);
    t.is(reader.majorVersion, major);
  });
}

for (const major of POSTGRES_MAJORS) {
  test(`records of ${major} end where Postgres says, and their block references add up`, async (t) => {
    const settings = { ...KEEP_WAL, wal_compression: "on" };
    const postgres = await createPostgres({ major, initdb: ["--wal-segsize=1"], settings });
    t.teardown(() => postgres.remove());
    const said: bigint[] = [];
    for (let i = 0; i < 20; i++) {
      await postgres.query(
        `create table t${i} as select repeat('a', ${i * 50}) as a from generate_series(1, 500)`,
      );
      said.push(await flushedLsn(postgres));
    }
    await postgres.query("checkpoint; update pg_class set relpages = relpages");
    said.push(await flushedLsn(postgres));
    const wal = walOf(postgres.dataDir, MiB, said.at(-1) as bigint);
    const numbers = new Set<string>();
    const images: string[] = [];
    const ends: bigint[] = [];
    const onRecord = (record: WalRecord) => {
      ends.push(record.endLsn);
      for (const { relationNumber, image } of parseRecord(record).blocks) {
        numbers.add(String(relationNumber));
        images.push(image);
      }
    };
    readAll(wal.bytes, { ...options(wal), onRecord });
    t.deepEqual(
      said.filter((lsn) => !ends.includes(lsn)),
      [],
    );
    for (let i = 0; i < 20; i++) {
      const [[path]] = (await postgres.query(`select pg_relation_filepath('t${i}')`)) as [[string]];
      t.true(numbers.has(path.split("/").at(-1) as string), `the pages of t${i}`);
    }
    t.true(images.filter((image) => image === "apply").length > 10, "images to be restored");
    t.false(images.includes("check"), "wal_consistency_checking is off");
  });
}

test("a damaged byte in real WAL is refused before its record counts", async (t) => {
  const postgres = await createPostgres({ major: 15, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
  t.teardown(() => postgres.remove());
  await postgres.query("create table a as select generate_series(1, 3000) as id");
  const wal = walOf(postgres.dataDir, MiB, await flushedLsn(postgres));
  const { records, ends } = readAll(wal.bytes, options(wal));
  const next = randomSizes(11, 2 ** 30);
  for (let round = 0; round < 400; round++) {
    const index = next() % (records.length - 40);
    const { lsn, length } = records[index] as RecordLine;
    const start = Number(lsn - wal.startLsn);
    const within = start + (next() % length);
    const at = within % 8192 < 40 ? start : within; // not a page header in the record
    const from = start - (start % MiB);
    const part = Buffer.from(wal.bytes.subarray(from));
    part[at - from] = (part[at - from] as number) ^ (1 << (round % 8));
    const reader = new WalReader({ startLsn: wal.startLsn + BigInt(from), walSegmentSize: MiB });
    t.throws(() => reader.push(part), { code: "data_corrupted" }, `byte ${at} of ${formatLsn(lsn)}`);
    t.true(reader.endLsn < (ends[index] as bigint));
  }
});

function options(wal: RealWal): WalReaderOptions {
  return { startLsn: wal.startLsn, walSegmentSize: MiB };
}

/** One difference says more than two lists of ten thousands. */
function assertSame(t: ExecutionContext, found: RecordLine[], expected: RecordLine[]): void {
  const plain = expected.map(({ lsn, prev, rmid, length }) => ({ lsn, prev, rmid, length }));
  const same = (index: number) =>
    found[index]?.lsn === plain[index]?.lsn &&
    found[index]?.prev === plain[index]?.prev &&
    found[index]?.rmid === plain[index]?.rmid &&
    found[index]?.length === plain[index]?.length;
  const wrong = plain.findIndex((_, index) => !same(index));
  t.deepEqual(found[wrong], plain[wrong], `record ${wrong}`);
  t.is(found.length, plain.length);
}

function blocksOf(record: WalRecord): string[] {
  return parseRecord(record).blocks.map((block) => {
    const relation = `${block.tablespaceOid}/${block.databaseOid}/${block.relationNumber}`;
    const image = { none: "", apply: " FPW", check: " FPW for WAL verification" }[block.image];
    return `${relation} ${FORKS[block.forkNumber]} ${block.block}${image}`;
  });
}

function hex(segment: number): string {
  return segment.toString(16).toUpperCase().padStart(8, "0");
}
