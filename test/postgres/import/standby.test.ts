import test from "ava";
import {
  createPostgres,
  createStandby,
  POSTGRES_MAJORS,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { openStore } from "./open-store.js";
import { faultsOf, readBranch } from "./read-branch.js";

async function until(server: TestPostgres, condition: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const [row] = await server.query(`select (${condition})::text`);
    if (row?.[0] === "true") return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${condition} did not become true`);
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: a standby can be imported, before and after its promotion`, async (t) => {
    const primary = await createPostgres({ major });
    t.teardown(() => primary.remove());
    const standby = await createStandby(primary);
    t.teardown(() => standby.remove());
    const store = await openStore(t);
    await primary.query("create table rows as select generate_series(1, 20000) as a");
    const [[lsn]] = await primary.query("select pg_current_wal_flush_lsn()");
    await until(standby, `pg_last_wal_replay_lsn() >= '${lsn}'`);

    const { branch } = await importCluster({ store, branch: "standby", uri: standby.uri });
    const content = await readBranch(store, branch);
    t.deepEqual(faultsOf(branch, content), []);
    t.is(branch.start.postgresTimelineId, 1);
    t.is(content.file("standby.signal"), undefined);
    t.regex(content.file("postgresql.auto.conf")?.toString() ?? "", /primary_conninfo/);
    t.deepEqual(content.of("timelineHistory"), []);

    await standby.promote();
    await until(standby, "not pg_is_in_recovery()");
    await standby.query("create table after as select generate_series(1, 20000) as a");
    const promoted = (await importCluster({ store, branch: "promoted", uri: standby.uri })).branch;
    const after = await readBranch(store, promoted);
    t.deepEqual(faultsOf(promoted, after), []);
    t.is(promoted.start.postgresTimelineId, 2);
    t.is(promoted.start.systemIdentifier, branch.start.systemIdentifier);
    const [history] = after.of("timelineHistory");
    t.is(history?.value.postgresTimelineId, 2);
    const [[file]] = await standby.query("select pg_read_file('pg_wal/00000002.history')");
    t.is(Buffer.from(history?.value.content ?? []).toString(), file);
    t.true(after.of("wal").every(({ value }) => value.postgresTimelineId === 2));
    t.deepEqual(await standby.query("select * from pg_replication_slots"), []);
  });
}

test("an import goes on when the standby follows its primary to another timeline", async (t) => {
  const primary = await createPostgres({ major: 15 });
  t.teardown(() => primary.remove());
  const first = await createStandby(primary);
  t.teardown(() => first.remove());
  const second = await createStandby(first);
  t.teardown(() => second.remove());
  const store = await openStore(t);
  const { gatedStore } = await import("./gated-store.js");
  await until(second, "exists (select from pg_stat_wal_receiver where status = 'streaming')");
  const during = async () => {
    await first.promote();
    await until(first, "not pg_is_in_recovery()");
    await first.query("create table after as select generate_series(1, 20000) as a; checkpoint");
    const [[lsn]] = await first.query("select pg_current_wal_flush_lsn()");
    await until(second, `pg_last_wal_replay_lsn() >= '${lsn}'`);
    await second.query("checkpoint");
  };
  const { branch } = await importCluster({
    store: gatedStore(store, 3, during),
    branch: "main",
    uri: second.uri,
  });
  const content = await readBranch(store, branch);
  t.deepEqual(faultsOf(branch, content), []);
  t.is(branch.start.postgresTimelineId, 1);
  t.deepEqual([...new Set(content.of("wal").map(({ value }) => value.postgresTimelineId))], [1, 2]);
  t.deepEqual(
    content.of("timelineHistory").map(({ value }) => value.postgresTimelineId),
    [2],
  );
});
