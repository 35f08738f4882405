import { join } from "node:path";
import test from "ava";
import { formatLsn, parseLsn } from "../../src/lsn.js";
import { findForkPoint } from "../../src/postgres/history/find-fork-point.js";
import { appendFixture, rowsOf } from "../postgres/import/append-fixture.js";

for (const major of [15, 18] as const) {
  test.serial(
    `${major}: a fork that was exported, booted and written to goes on as its own branch`,
    async (t) => {
      const { create, append, boot, fork, store } = await appendFixture(t);
      const origin = await create({ major });
      await origin.query("create table t as select generate_series(1, 10) as a");
      await append("main", origin);
      await origin.query("insert into t values (11)");
      const { branch: main } = await append("main", origin);
      await fork("dev", "main");
      const first = await boot("dev");
      await first.query("insert into t select generate_series(100, 5000)");
      const dev = await append("dev", first);
      t.is(dev.startLsn, main.head.lsn);
      t.deepEqual(store.requireBranch("main").head, main.head);

      await origin.query("insert into t values (12)");
      await append("main", origin);
      t.is(await rowsOf(await boot("main")), await rowsOf(origin));
      await t.throwsAsync(append("main", first), {
        code: "object_not_in_prerequisite_state",
        message: new RegExp(
          `on Postgres timeline 2, which parts at ${formatLsn(main.head.lsn)} from branch "main"`,
        ),
      });

      // A fork's fork, and one of that: three timelines in one segment.
      await fork("deeper", "dev");
      const second = await boot("deeper");
      t.is(await rowsOf(second), await rowsOf(first));
      await second.query("insert into t values (-1)");
      await append("deeper", second);
      await fork("deepest", "deeper");
      const third = await boot("deepest");
      await third.query("insert into t values (-2)");
      await append("deepest", third);
      await third.query("insert into t values (-3)");
      await append("deepest", third);
      const last = await boot("deepest");
      t.is(await rowsOf(last), await rowsOf(third));
      t.is(await rowsOf(await boot("deeper")), await rowsOf(second));
      t.is(await rowsOf(await boot("dev")), await rowsOf(first));
      await last.query("checkpoint");
      t.deepEqual(await last.query("select timeline_id from pg_control_checkpoint()"), [["5"]]);
    },
  );
}

test.serial("of two boots of one export the second that comes back is told where it diverged", async (t) => {
  const { create, append, boot, fork, store } = await appendFixture(t);
  const origin = await create({ major: 15, initdb: ["--wal-segsize=1"] });
  await origin.query("create table t as select generate_series(1, 10) as a");
  const { branch: main } = await append("main", origin);
  await fork("dev", "main");
  const [one, two] = [await boot("dev"), await boot("dev")];
  await one.query("insert into t select generate_series(100, 30000)");
  await two.query("insert into t select generate_series(200, 60000)");
  const { branch: dev } = await append("dev", one);
  t.true(dev.head.lsn > main.head.lsn + 1024n * 1024n, "the difference lies in an earlier segment");
  const error = await t.throwsAsync<Error & { hint: string }>(append("dev", two), {
    code: "object_not_in_prerequisite_state",
  });
  const match =
    /the histories part at ([0-9A-F/]+); the branch goes on to ([0-9A-F/]+), the server to ([0-9A-F/]+)$/.exec(
      error?.message ?? "",
    );
  t.is(match?.[2], formatLsn(dev.head.lsn), error?.message);
  const parting = parseLsn(match?.[1] ?? "0/0");
  t.true(parting >= main.head.lsn && parting < main.head.lsn + 8192n, match?.[1]);
  t.deepEqual(store.requireBranch("dev").head, dev.head);

  const head = await findForkPoint(store, dev, parting);
  t.is(head.lsn, parting, "the histories part inside a record");
  await fork("other", "dev", head);
  await append("other", two);
  t.is(await rowsOf(await boot("other")), await rowsOf(two));
});

test.serial("a branch with a tablespace made after its base backup goes on from its export", async (t) => {
  const { create, append, boot, fork } = await appendFixture(t);
  const origin = await create({ major: 15 });
  await origin.query("create table t as select generate_series(1, 10) as a");
  await append("main", origin);
  const location = join(origin.socketDir, "space");
  await origin.query(`copy (select 1) to program 'cat > /dev/null; mkdir ${location}'`);
  await origin.query(`create tablespace space location '${location}'`);
  await origin.query("alter table t set tablespace space");
  await append("main", origin);
  await fork("dev", "main");
  const server = await boot("dev");
  await server.query("insert into t values (11)");
  await append("dev", server);
  t.is(await rowsOf(await boot("dev")), await rowsOf(server));
});

test.serial(
  "a head at a segment's start, whose WAL before it is gone there, still tells two histories apart",
  async (t) => {
    const { create, append, boot, fork, store } = await appendFixture(t);
    const origin = await create({ major: 15 });
    await origin.query("create table t as select generate_series(1, 10) as a");
    await append("main", origin);
    await fork("dev", "main");
    const [one, two] = [await boot("dev"), await boot("dev")];
    for (const server of [one, two]) {
      await server.query("alter system set wal_keep_size = 0");
      await server.query("select pg_reload_conf()");
    }
    await one.query("insert into t values (11)");
    await two.query("insert into t select generate_series(12, 50)");
    await one.query("select pg_switch_wal()");
    await two.query("select pg_switch_wal()");
    const { branch } = await append("dev", one);
    t.is(branch.head.lsn % BigInt(branch.start.walSegmentSize), 0n);
    for (const server of [one, two])
      for (let i = 0; i < 2; i++) await server.query("insert into t values (-1); checkpoint");
    await t.throwsAsync(append("dev", two), {
      code: "object_not_in_prerequisite_state",
      message: new RegExp(`differs at ${formatLsn(branch.head.lsn)} or before it;`),
    });
    t.deepEqual(store.requireBranch("dev").head, branch.head);
    await append("dev", one);
    t.is(await rowsOf(await boot("dev")), await rowsOf(one));
  },
);
