import test from "ava";
import { createPostgres, POSTGRES_MAJORS } from "../../../scripts/support/postgres.js";
import { commitTime, isCommit } from "../../../src/postgres/history/commit-time.js";
import { readAll } from "../wal/read-all.js";
import { flushedLsn, KEEP_WAL, walOf } from "../wal/real-wal.js";

for (const major of POSTGRES_MAJORS) {
  test(`commits of Postgres ${major} are found with their times, also those of prepared transactions`, async (t) => {
    const postgres = await createPostgres({
      major,
      settings: { ...KEEP_WAL, track_commit_timestamp: "on", max_prepared_transactions: "2" },
    });
    t.teardown(() => postgres.remove());
    await postgres.query("create table a (a int)");
    for (let i = 0; i < 5; i++) await postgres.query(`insert into a values (${i})`);
    await postgres.query("begin; insert into a values (5); prepare transaction 'p'");
    await postgres.query("begin; insert into a values (6); rollback");
    await postgres.query("commit prepared 'p'");
    const [rows, end] = [
      await postgres.query(
        `select (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint from a order by a`,
      ),
      await flushedLsn(postgres),
    ];
    const times = new Set<string>();
    const wal = walOf(postgres.dataDir, 16 * 1024 * 1024, end);
    readAll(wal.bytes, {
      startLsn: wal.startLsn,
      walSegmentSize: 16 * 1024 * 1024,
      select: isCommit,
      onRecord: (record) => times.add(String(commitTime(record))),
    });
    t.is(rows.length, 6);
    for (const [time] of rows) t.true(times.has(time as string), `${time}`);
  });
}
