import test from "ava";
import { createPostgres, type PostgresMajor } from "../../scripts/support/postgres.js";
import { parseLsn } from "../../src/lsn.js";
import { importBranch } from "../../src/postgres/import/import-branch.js";
import { appendFixture, until } from "../postgres/import/append-fixture.js";

const SLOT = { name: "neon_main_x", place: "here:/repository" };
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
const STATUS = "select wal_status from pg_replication_slots";

/** Settings with which WAL that no slot keeps is gone after a checkpoint. */
const SHORT_OF_WAL = { max_wal_size: "32MB", min_wal_size: "32MB", wal_keep_size: "0" };
/** Settings with which WAL is there although the slot is not. */
const PLENTY_OF_WAL = { wal_keep_size: "512MB" };

const CASES: readonly (readonly [PostgresMajor, string, Readonly<Record<string, string>>, boolean])[] = [
  [14, "its WAL is gone", SHORT_OF_WAL, false],
  [15, "its WAL is gone", SHORT_OF_WAL, false],
  [17, "its WAL is gone", SHORT_OF_WAL, false],
  [18, "its WAL is gone", SHORT_OF_WAL, false],
  [18, "nobody used it for too long", PLENTY_OF_WAL, true],
];

for (const [major, why, settings, goesOn] of CASES) {
  const what = goesOn
    ? "is made anew, and the branch goes on"
    : "ends the branch with a reason, and a new branch of the name begins anew";
  test(`${major}: a slot that the server gave up since ${why} ${what}`, async (t) => {
    const { create, boot, store } = await appendFixture(t);
    const server = await create({ major, settings });
    await server.query("create table t as select generate_series(1, 10) as a");
    const slot = { ...SLOT, uri: server.uri };
    /** Follows until the slot is in use and the branch has the rows, or it fails. */
    const follow = async () => {
      const controller = new AbortController();
      const following = importBranch({
        store,
        branch: "main",
        uri: server.uri,
        follow: true,
        slot,
        signal: controller.signal,
      });
      let ended = false;
      const end = following.finally(() => {
        ended = true;
      });
      end.catch(() => undefined);
      const active = "select from pg_replication_slots where active and not temporary";
      while (!ended && (await server.query(active)).length === 0) await pause();
      if (!ended) await server.query("insert into t select max(a) + 1 from t");
      const [[lsn]] = (await server.query("select pg_current_wal_flush_lsn()")) as [[string]];
      while (!ended && (store.getBranch("main")?.head.lsn ?? 0n) < parseLsn(lsn)) await pause();
      controller.abort();
      await end;
      await until(server, "not exists (select from pg_replication_slots where active)");
    };
    await follow();
    const limit = goesOn ? "idle_replication_slot_timeout = '1s'" : "max_slot_wal_keep_size = '1MB'";
    await server.query(`alter system set ${limit}`);
    await server.query("select pg_reload_conf()");
    if (!goesOn) {
      await server.query("insert into t select generate_series(100, 200000)");
    }
    for (let i = 0; (await server.query(STATUS))[0]?.[0] !== "lost" && i < 40; i++) {
      await server.query("select pg_switch_wal()");
      await server.query("checkpoint");
      await pause();
    }
    t.deepEqual(await server.query(STATUS), [["lost"]]);
    await server.query(`alter system reset ${limit.split(" ")[0]}`);
    await server.query("select pg_reload_conf()");
    if (!goesOn) {
      await t.throwsAsync(follow(), { code: "undefined_file", message: /no longer has the WAL/ });
      await store.deleteBranch("main");
    }
    await follow();
    t.not((await server.query(STATUS))[0]?.[0], "lost");
    t.is(store.sourceSlots.list().length, 1);
    const rows = "select count(*), max(a) from t";
    t.deepEqual(await (await boot("main")).query(rows), await server.query(rows));
  });
}

test("following is no synchronous standby at any time, and says whom synchronous_standby_names would make one", async (t) => {
  const { store } = await appendFixture(t);
  const server = await createPostgres({ major: 15, settings: { autovacuum: "off" } });
  t.teardown(() => server.remove());
  await server.query("create table t as select generate_series(1, 10) as a");
  await server.query("alter system set synchronous_standby_names = 'ANY 1 (s1, \"NEON import\")'");
  await server.query("select pg_reload_conf()");
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  const notices: string[] = [];
  const following = importBranch({
    store,
    branch: "main",
    uri: server.uri,
    follow: true,
    slot: { ...SLOT, uri: server.uri },
    signal: controller.signal,
    onNotice: (text) => notices.push(text),
  });
  const seen = new Set<string>();
  let done = false;
  const watching = (async () => {
    while (!done) {
      const rows = "select sync_state || coalesce(flush_lsn::text, '') from pg_stat_replication";
      for (const [row] of await server.query(rows)) seen.add(String(row));
    }
  })();
  // Waits for a standby until its session is ended.
  const commit = server.query("set statement_timeout = 0; insert into t values (11)").catch(() => undefined);
  let released = false;
  void commit.then(() => {
    released = true;
  });
  while (store.getBranch("main") === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  await until(server, "exists (select from pg_stat_replication where state = 'streaming')");
  await new Promise((resolve) => setTimeout(resolve, 12_000)); // the slot is moved on after ten seconds
  const [[restart]] = (await server.query("select restart_lsn from pg_replication_slots")) as [[string]];
  t.false(released);
  controller.abort();
  await following;
  t.false(released);
  done = true;
  await watching;
  t.deepEqual([...seen], ["async"], `restart_lsn ${restart}`);
  t.is(
    notices.filter((text) => /synchronous_standby_names = 'ANY 1 .*none: it reports no flush/.test(text))
      .length,
    1,
  );
  await server.query("alter system reset synchronous_standby_names");
  await server.query("select pg_reload_conf()");
  await commit;
});
