import test from "ava";
import pg from "pg";
import { createPostgres, POSTGRES_MAJORS, type TestPostgres } from "../../../scripts/support/postgres.js";
import { connect } from "../../../src/pgwire/connect.js";
import { createPermanentSlot } from "../../../src/postgres/replication/create-replication-slot.js";
import { identifySystem } from "../../../src/postgres/replication/identify-system.js";
import { formatStandbyStatusUpdate } from "../../../src/postgres/replication/standby-status-update.js";
import { WalStream } from "../../../src/postgres/replication/start-replication.js";
import { until } from "../import/append-fixture.js";

/** Begins a commit that waits for a synchronous standby, and says whether one was found. */
async function beginCommit(server: TestPostgres, statement: string) {
  const client = new pg.Client({ host: server.socketDir, port: server.port, user: "postgres" });
  client.on("error", () => {});
  await client.connect();
  const commit = { done: false, end: () => client.end() };
  client.query(statement).then(
    () => {
      commit.done = true;
    },
    () => {},
  );
  await until(server, "exists (select from pg_stat_activity where wait_event = 'SyncRep')");
  return commit;
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: who streams from a slot and moves it on is no synchronous standby where * stands for all`, async (t) => {
    const server = await createPostgres({ major, settings: { fsync: "off", autovacuum: "off" } });
    t.teardown(() => server.remove());
    await server.query("create table t (a int)");
    await server.query("alter system set synchronous_standby_names = '*'");
    await server.query("select pg_reload_conf()");
    const connection = await connect({ uri: server.uri, replication: true });
    t.teardown(() => connection.destroy());
    await createPermanentSlot(connection, "neon_test");
    const commit = await beginCommit(server, "insert into t values (1)");
    t.teardown(() => commit.end());
    for (let i = 0; i < 40; i++) {
      const { flushLsn } = await identifySystem(connection);
      const options = { slot: "neon_test", lsn: flushLsn, timelineId: 1, heldUntil: flushLsn };
      const stream = await WalStream.start(connection, options);
      if (i % 8 === 0) {
        await until(server, "exists (select from pg_stat_replication where state = 'streaming')");
        await stream.report(flushLsn);
        const seen = "select sync_state, sync_priority::text, flush_lsn::text from pg_stat_replication";
        t.deepEqual(await server.query(seen), [["async", "0", ""]]);
        const [[restart]] = await server.query("select restart_lsn from pg_replication_slots");
        const [[passed]] = await server.query(
          `select ('${restart}'::pg_lsn >= '${flushLsn >> 32n}/${(flushLsn & 0xffff_ffffn).toString(16)}')::text`,
        );
        t.is(passed, "true");
      }
      await stream.end();
      for await (const _ of stream.read());
      await stream.finish();
      t.false(commit.done, `released by start ${i}`);
    }
    // The same with a flush position while it streams: what this test would see.
    const { flushLsn } = await identifySystem(connection);
    const session = await connection.copyBoth(
      `START_REPLICATION PHYSICAL 0/${flushLsn.toString(16)} TIMELINE 1`,
    );
    await until(server, "exists (select from pg_stat_replication where state = 'streaming')");
    await session.write(formatStandbyStatusUpdate({ writeLsn: flushLsn, flushLsn }));
    await until(server, "not exists (select from pg_stat_activity where wait_event = 'SyncRep')");
  });
}
