import test from "ava";
import { createStandby, POSTGRES_MAJORS } from "../../../scripts/support/postgres.js";
import { parseLsn } from "../../../src/lsn.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import { appendFixture, rowsOf, until } from "./append-fixture.js";
import { readBranch } from "./read-branch.js";

for (const major of POSTGRES_MAJORS) {
  test(`${major}: what was written since goes onto the branch, and an export of it has the rows`, async (t) => {
    const { create, append, boot, store } = await appendFixture(t);
    const server = await create({ major, initdb: ["--wal-segsize=1"], settings: { wal_keep_size: "64MB" } });
    await server.query("create table t as select generate_series(1, 10) as a");
    const made = await append("main", server);
    t.is(made.startLsn, undefined);
    await server.query("insert into t select generate_series(11, 20000)");
    const [[flushed]] = await server.query("select pg_current_wal_flush_lsn()");
    const grown = await append("main", server);
    t.is(grown.startLsn, made.branch.head.lsn);
    t.true(grown.frames > 0);
    t.true(grown.branch.head.lsn >= parseLsn(flushed as string) - 8192n);
    t.deepEqual(
      store.requireBranch("main").timelineId,
      made.branch.timelineId,
      "the branch has another timeline",
    );
    const expected = await rowsOf(server);
    await server.query("insert into t values (-1)");
    t.is(await rowsOf(await boot("main")), expected);
    t.deepEqual(await server.query("select * from pg_replication_slots"), []);
  });
}

test("nothing new is no error, and leaves the branch as it is", async (t) => {
  const { create, append } = await appendFixture(t);
  const server = await create({ major: 15 });
  await server.query("select pg_switch_wal()");
  await append("main", server);
  let before = await append("main", server);
  let again = await append("main", server);
  // A server writes by itself what transactions run, some seconds after anything else.
  for (let i = 0; again.frames > 0 && i < 5; i++) {
    before = again;
    again = await append("main", server);
  }
  t.is(again.frames, 0);
  t.deepEqual(again.branch.head, before.branch.head);
});

test("a head at the start of a segment is compared with the segment before it", async (t) => {
  const { create, append, boot } = await appendFixture(t);
  const server = await create({ major: 15, settings: { checkpoint_timeout: "1h" } });
  await server.query("create table t as select generate_series(1, 10) as a");
  let { branch } = await append("main", server);
  const isAtStart = () => branch.head.lsn % BigInt(branch.start.walSegmentSize) === 0n;
  // Between the two a server may write something by itself.
  for (let i = 0; !isAtStart() && i < 5; i++) {
    await server.query("select pg_switch_wal()");
    ({ branch } = await append("main", server));
  }
  t.true(isAtStart());
  await server.query("insert into t values (11)");
  const grown = await append("main", server);
  t.true(grown.branch.head.lsn > branch.head.lsn);
  t.is(await rowsOf(await boot("main")), await rowsOf(server));
});

test("another cluster is refused", async (t) => {
  const { create, append, store } = await appendFixture(t);
  const [one, other] = [await create({ major: 15 }), await create({ major: 15 })];
  const { branch } = await append("main", one);
  const error = await t.throwsAsync(append("main", other), { code: "object_not_in_prerequisite_state" });
  t.regex(
    error?.message ?? "",
    /comes from another cluster: its system identifier is \d+, the server's is \d+/,
  );
  t.deepEqual(store.requireBranch("main").head, branch.head);
});

test("a branch goes on across a promotion, and its export too", async (t) => {
  const { create, append, boot, store } = await appendFixture(t);
  const primary = await create({ major: 15 });
  await primary.query("create table t as select generate_series(1, 10) as a");
  await append("main", primary);
  const standby = await createStandby(primary);
  t.teardown(() => standby.remove());
  await primary.query("insert into t values (11)");
  const [[lsn]] = await primary.query("select pg_current_wal_flush_lsn()");
  await until(standby, `pg_last_wal_replay_lsn() >= '${lsn}'`);
  await standby.promote();
  await until(standby, "not pg_is_in_recovery()");
  await standby.query("insert into t values (12)");
  await append("main", standby);
  const content = await readBranch(store, store.requireBranch("main"));
  t.deepEqual([...new Set(content.of("wal").map(({ value }) => value.postgresTimelineId))], [1, 2]);
  t.deepEqual(
    content.of("timelineHistory").map(({ value }) => value.postgresTimelineId),
    [2],
  );
  t.is(await rowsOf(await boot("main")), await rowsOf(standby));

  await primary.query("insert into t select generate_series(100, 200)");
  const error = await t.throwsAsync(append("main", primary), { code: "object_not_in_prerequisite_state" });
  t.regex(error?.message ?? "", /on Postgres timeline 1, which parts at [0-9A-F/]+ from branch "main"/);
  await standby.query("insert into t values (13)");
  t.is((await append("main", standby)).branch.name, "main");
  t.is(await rowsOf(await boot("main")), await rowsOf(standby));
});

test("a branch that was imported from a promoted server goes on, also across the next promotion", async (t) => {
  const { create, append, boot } = await appendFixture(t);
  const primary = await create({ major: 15 });
  await primary.query("create table t as select generate_series(1, 10) as a");
  const first = await createStandby(primary);
  t.teardown(() => first.remove());
  await first.promote();
  await until(first, "not pg_is_in_recovery()");
  const made = await append("main", first);
  t.is(made.branch.start.postgresTimelineId, 2);
  await first.query("insert into t values (11)");
  await append("main", first);
  const second = await createStandby(first);
  t.teardown(() => second.remove());
  await second.promote();
  await until(second, "not pg_is_in_recovery()");
  await second.query("insert into t values (12)");
  await append("main", second);
  await second.query("insert into t values (13)");
  await append("main", second);
  t.is(await rowsOf(await boot("main")), await rowsOf(second));
  await primary.query("insert into t values (14)");
  await t.throwsAsync(append("main", primary), {
    code: "object_not_in_prerequisite_state",
    message: /on Postgres timeline 1, which parts at/,
  });
});

test("a server that lags behind is refused, and may be tried again", async (t) => {
  const { create, append } = await appendFixture(t);
  const primary = await create({ major: 15 });
  await primary.query("create table t as select generate_series(1, 10) as a");
  await append("main", primary);
  const standby = await createStandby(primary);
  t.teardown(() => standby.remove());
  const streaming = "exists (select from pg_stat_replication where state = 'streaming')";
  await until(primary, streaming);
  await standby.query("select pg_wal_replay_pause()");
  await primary.query("alter system set max_wal_senders = 0");
  await standby.stop();
  await primary.query("insert into t select generate_series(11, 2000)");
  await append("main", primary);
  await primary.stop();
  await standby.restart();
  const error = await t.throwsAsync<Error & { retryable: boolean }>(append("main", standby), {
    code: "object_not_in_prerequisite_state",
  });
  t.regex(error?.message ?? "", /the server has WAL up to [0-9A-F/]+ only/);
  t.true(error?.retryable);
});

test("WAL that the server has recycled is refused", async (t) => {
  const { create, append } = await appendFixture(t);
  const settings = { max_wal_size: "32MB", min_wal_size: "32MB", wal_keep_size: "0" };
  const server = await create({ major: 15, settings });
  await server.query("create table t (a int)");
  await append("main", server);
  for (let i = 0; i < 5; i++) await server.query("insert into t values (1); select pg_switch_wal()");
  await server.query("checkpoint");
  await server.query("checkpoint");
  const error = await t.throwsAsync<Error & { hint: string }>(append("main", server), {
    code: "undefined_file",
  });
  t.regex(error?.message ?? "", /no longer has the WAL from [0-9A-F/]+ on/);
  t.regex(error?.hint ?? "", /--follow/);
});

test("an append that is aborted says where the branch stands", async (t) => {
  const { create, append, store } = await appendFixture(t);
  const server = await create({ major: 15 });
  const { branch } = await append("main", server);
  const signal = AbortSignal.abort();
  await t.throwsAsync(importBranch({ store, branch: "main", uri: server.uri, signal }), {
    code: "query_canceled",
  });
  t.deepEqual(store.requireBranch("main").head, branch.head);
});
