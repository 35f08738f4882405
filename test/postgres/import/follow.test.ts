import test, { type ExecutionContext } from "ava";
import { createStandby, type TestPostgres } from "../../../scripts/support/postgres.js";
import type { NeonError } from "../../../src/errors.js";
import { parseLsn } from "../../../src/lsn.js";
import type { AppendOptions } from "../../../src/postgres/import/append-wal.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import type { Store } from "../../../src/timeline/store.js";
import { appendFixture, rowsOf, until } from "./append-fixture.js";
import { faultsOf, readBranch } from "./read-branch.js";

/** Follows a server onto `main` until `stop` is called, which gives what `importBranch` does. */
function follow(
  t: ExecutionContext,
  store: Store,
  server: TestPostgres,
  options: Partial<AppendOptions> = {},
) {
  const controller = new AbortController();
  t.teardown(() => controller.abort()); // a test that fails must not leave it waiting for a server that is gone
  const phases: string[] = [];
  const result = importBranch({
    store,
    branch: "main",
    uri: server.uri,
    follow: true,
    signal: controller.signal,
    onProgress: ({ phase }) => phases.push(phase),
    ...options,
  });
  result.catch(() => undefined);
  return {
    phases,
    result,
    stop() {
      controller.abort();
      return result;
    },
  };
}

/** A slot that following may make. */
function slotAt({ uri }: TestPostgres) {
  return { name: "neon_main_x", place: "here:/repository", uri };
}

/** Waits until `main` holds all that a server has flushed now. */
async function caughtUp(store: Store, server: TestPostgres): Promise<void> {
  const begin = Date.now();
  const [[text]] = (await server.query("select pg_current_wal_insert_lsn()")) as [[string]];
  await server.query("select pg_logical_emit_message(true, '', '')");
  const lsn = parseLsn(text);
  while ((store.getBranch("main")?.head.lsn ?? 0n) < lsn - 40n) {
    if (Date.now() - begin > 60_000) throw new Error(`the branch did not reach ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const major of [15, 18] as const) {
  test(`${major}: a branch that follows is imported first, keeps up, and ends whole`, async (t) => {
    const { create, boot, store } = await appendFixture(t);
    const server = await create({ major });
    await server.query("create table t as select generate_series(1, 10) as a");
    const following = follow(t, store, server, { slot: slotAt(server) });
    await caughtUp(store, server);
    for (let i = 0; i < 3; i++) {
      await server.query(`insert into t select generate_series(${i} * 1000 + 100, ${i} * 1000 + 1000)`);
      await caughtUp(store, server);
    }
    const slots = "select slot_name, slot_type, temporary::text, active::text from pg_replication_slots";
    t.deepEqual(await server.query(slots), [["neon_main_x", "physical", "false", "true"]]);
    const expected = await rowsOf(server);
    const { branch, startLsn } = await following.stop();
    t.is(startLsn, undefined);
    t.deepEqual(branch.head, store.requireBranch("main").head);
    t.true(following.phases.some((phase) => /^main at [0-9A-F/]+$/.test(phase)));
    t.is(await rowsOf(await boot("main")), expected);
    await until(server, "not exists (select from pg_replication_slots where active)");
  });
}

test("the slot keeps all that is not on the branch, and a later import goes on from there", async (t) => {
  const { create, append, boot, store } = await appendFixture(t);
  const settings = { max_wal_size: "32MB", min_wal_size: "32MB", wal_keep_size: "0" };
  const server = await create({ major: 15, settings });
  await server.query("create table t as select generate_series(1, 10) as a");
  await append("main", server);
  const following = follow(t, store, server, { slot: slotAt(server) });
  await server.query("insert into t values (11)");
  await caughtUp(store, server);
  await server.query("select pg_switch_wal()");
  await until(server, "(select write_lsn >= pg_current_wal_flush_lsn() - 1 from pg_stat_replication)");
  const { branch } = await following.stop();
  const [[restart]] = await server.query("select restart_lsn from pg_replication_slots");
  t.true(parseLsn(restart as string) <= branch.head.lsn);
  t.true(parseLsn(restart as string) > branch.head.lsn - 16n * 1024n * 1024n);
  for (let i = 20; i < 26; i++) await server.query(`insert into t values (${i}); select pg_switch_wal()`);
  await server.query("checkpoint");
  await server.query("checkpoint");
  await append("main", server);
  t.is(await rowsOf(await boot("main")), await rowsOf(server));
});

test("following goes on across a promotion", async (t) => {
  const { create, boot, store } = await appendFixture(t);
  const primary = await create({ major: 15 });
  await primary.query("create table t as select generate_series(1, 10) as a");
  const standby = await createStandby(primary);
  t.teardown(() => standby.remove());
  await until(primary, "exists (select from pg_stat_replication where state = 'streaming')");
  const following = follow(t, store, standby);
  await primary.query("insert into t values (11)");
  const [[lsn]] = (await primary.query("select pg_current_wal_flush_lsn()")) as [[string]];
  await until(standby, `pg_last_wal_replay_lsn() >= '${lsn}'`);
  while (store.getBranch("main") === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  await standby.promote();
  await until(standby, "not pg_is_in_recovery()");
  await standby.query("insert into t values (12)");
  await caughtUp(store, standby);
  await standby.query("insert into t select generate_series(13, 2000)");
  await caughtUp(store, standby);
  await following.stop();
  t.is(await rowsOf(await boot("main")), await rowsOf(standby));
});

test("following goes on when the server was restarted, or its WAL sender terminated", async (t) => {
  const { create, boot, store } = await appendFixture(t);
  const server = await create({ major: 15 });
  await server.query("create table t as select generate_series(1, 10) as a");
  const following = follow(t, store, server, { slot: slotAt(server) });
  await caughtUp(store, server);
  await until(server, "exists (select from pg_replication_slots where active and not temporary)");
  await server.query("select pg_terminate_backend(pid) from pg_stat_replication");
  await server.query("insert into t values (11)");
  await caughtUp(store, server);
  await server.stop("immediate");
  await server.restart();
  await server.query("insert into t values (12)");
  await caughtUp(store, server);
  await server.restart();
  await server.query("insert into t values (13)");
  await caughtUp(store, server);
  t.true(following.phases.includes("main: waiting for the server"));
  await following.stop();
  t.is(await rowsOf(await boot("main")), await rowsOf(server));
});

test("the branch never stands inside a record, however long that is", async (t) => {
  const { create, boot, store } = await appendFixture(t);
  const server = await create({ major: 15 });
  await server.query("create table t as select generate_series(1, 10) as a");
  const following = follow(t, store, server);
  await caughtUp(store, server);
  await server.query("select pg_logical_emit_message(false, 'x', repeat('y', 40000000))");
  await server.query("insert into t values (11)");
  await caughtUp(store, server);
  const { branch } = await following.stop();
  t.deepEqual(faultsOf({ ...branch, name: "main" }, await readBranch(store, branch)).sort(), [
    "the last record is not the consistent point",
  ]);
  t.is(await rowsOf(await boot("main")), await rowsOf(server));
});

test("a branch that somebody else moves ends the following, and stays as that one left it", async (t) => {
  const { create, append, store } = await appendFixture(t);
  const server = await create({ major: 15 });
  await server.query("create table t as select generate_series(1, 10) as a");
  await append("main", server);
  const following = follow(t, store, server);
  await server.query("insert into t values (11)");
  await caughtUp(store, server);
  await store.deleteBranch("main");
  await server.query("insert into t values (12)");
  await t.throwsAsync(following.result, { code: "serialization_failure" });
  t.is(store.getBranch("main"), undefined);
});

test("an end that is asked for before the histories were compared is no success", async (t) => {
  const { create, append, boot, fork, store } = await appendFixture(t);
  const origin = await create({ major: 15 });
  await origin.query("create table t as select generate_series(1, 10) as a");
  await append("origin", origin);
  await fork("main", "origin");
  await fork("other", "origin");
  const [one, other] = [await boot("main"), await boot("other")];
  await one.query("insert into t values (11)");
  await other.query("insert into t values (12)");
  const { branch } = await append("main", one);
  const controller = new AbortController();
  const comparing = follow(t, store, other, {
    slot: slotAt(other),
    signal: controller.signal,
    log: { info: (_, text) => text === "import: appending WAL" && controller.abort() },
  });
  await t.throwsAsync(comparing.result, { code: "query_canceled" });
  await t.throwsAsync(follow(t, store, other, { signal: AbortSignal.abort() }).result, {
    code: "query_canceled",
  });
  t.deepEqual(store.requireBranch("main").head, branch.head);
  t.deepEqual(await other.query("select * from pg_replication_slots"), []);
});

test("a following that fails says which slot it leaves, and how to drop it", async (t) => {
  const { create, append, store } = await appendFixture(t);
  const server = await create({ major: 15 });
  await server.query("create table t as select generate_series(1, 10) as a");
  await append("main", server);
  const following = follow(t, store, server, { slot: slotAt(server) });
  await server.query("insert into t values (11)");
  await caughtUp(store, server);
  await store.deleteBranch("main");
  await server.query("insert into t values (12)");
  const error = await t.throwsAsync<NeonError>(following.result, { code: "serialization_failure" });
  const drop = /SELECT pg_drop_replication_slot\('neon_main_x'\)/.exec(error?.hint ?? "")?.[0] ?? "";
  await until(server, "not exists (select from pg_replication_slots where active)");
  await server.query(drop);
  t.deepEqual(await server.query("select * from pg_replication_slots"), []);
});

test("a server that cannot be followed from the start is refused at once, and keeps no slot", async (t) => {
  const { create, append, store } = await appendFixture(t);
  const [one, other] = [await create({ major: 15 }), await create({ major: 15 })];
  await append("main", one);
  await t.throwsAsync(follow(t, store, other, { slot: slotAt(other) }).result, {
    code: "object_not_in_prerequisite_state",
  });
  t.deepEqual(await other.query("select * from pg_replication_slots"), []);
});
