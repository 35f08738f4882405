import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  createStandby,
  startPostgres,
  type TestPostgres,
} from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { parseLsn } from "../../src/lsn.js";
import { neon, temporaryRepository } from "../cli/support/neon.js";
import { startServer } from "../fault/support/repository.js";
import { rowsOf, until } from "../postgres/import/append-fixture.js";

const SETTINGS = { fsync: "off", autovacuum: "off", wal_keep_size: "1GB" };

async function source(t: ExecutionContext): Promise<TestPostgres> {
  const server = await createPostgres({ major: 15, settings: SETTINGS });
  t.teardown(() => server.remove());
  await server.query("create table t as select generate_series(1, 10) as a");
  return server;
}

async function repository(t: ExecutionContext): Promise<string> {
  const directory = await temporaryRepository(t);
  await startServer(directory);
  return directory;
}

/** Runs a command that has to succeed, and reads its answer. */
async function ask(t: ExecutionContext, directory: string, ...words: string[]) {
  const { status, stdout, stderr } = await neon(directory, ...words, "--json");
  t.is(status, 0, `${words.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

interface Refusal {
  readonly sqlstate: string;
  readonly message: string;
  readonly hint: string;
  readonly divergence: { decision: string; common: { lsn: string; digest: string } | null };
}

/** Imports onto a branch, which has to be refused, and reads why. */
async function refused(
  t: ExecutionContext,
  directory: string,
  branch: string,
  { uri }: TestPostgres,
): Promise<Refusal> {
  const { status, stderr } = await neon(directory, "import", branch, uri, "--json");
  t.is(status, 1, stderr);
  const { error } = JSON.parse(stderr);
  t.is(error.sqlstate, "55000");
  const divergence = typeof error.detail === "string" ? JSON.parse(error.detail) : error.detail;
  return { ...error, divergence };
}

/** Runs the commands of a hint as they stand there, and checks that the new branch has the server's rows. */
async function follow(t: ExecutionContext, directory: string, hint: string, server: TestPostgres) {
  const commands = hint.match(/neon (?:branch create|import) [^,;:]*?(?=, then|\.(?: |$))/g) ?? [];
  for (const command of commands) {
    const [, ...words] = command.replace("NEW-NAME", "other").replace("URI", server.uri).split(" ");
    await ask(t, directory, ...words);
  }
  t.is(await rowsOf(await boot(t, directory, "other")), await rowsOf(server));
  return commands.length;
}

async function boot(t: ExecutionContext, directory: string, branch: string): Promise<TestPostgres> {
  const exports = await createTemporaryDirectory("neon-boot-");
  t.teardown(() => exports.remove());
  await ask(t, directory, "export", branch, `${exports.path}/data`);
  const server = await startPostgres(`${exports.path}/data`, 15, { settings: { fsync: "off" } });
  t.teardown(() => server.remove());
  return server;
}

async function promotedStandby(t: ExecutionContext, primary: TestPostgres): Promise<TestPostgres> {
  const standby = await createStandby(primary);
  t.teardown(() => standby.remove());
  const [[lsn]] = await primary.query("select pg_current_wal_flush_lsn()");
  await until(standby, `pg_last_wal_replay_lsn() >= '${lsn}'`);
  await standby.promote();
  await until(standby, "not pg_is_in_recovery()");
  await standby.query("insert into t values (100)");
  return standby;
}

test.serial("of two boots of one branch the second is told how it comes onto a branch too", async (t) => {
  const directory = await repository(t);
  const origin = await source(t);
  const { head: main } = await ask(t, directory, "import", "main", origin.uri);
  await ask(t, directory, "branch", "create", "dev", "main");
  const [one, two] = [await boot(t, directory, "dev"), await boot(t, directory, "dev")];
  await one.query("insert into t select generate_series(100, 200)");
  await two.query("insert into t select generate_series(200, 300)");
  await ask(t, directory, "import", "dev", one.uri);
  const { message, hint, divergence } = await refused(t, directory, "dev", two);
  const lsn = /the histories part at ([0-9A-F/]+);/.exec(message)?.[1] ?? message;
  t.true(parseLsn(lsn) >= parseLsn(main.lsn), lsn);
  t.true(hint.includes(`neon branch create NEW-NAME dev@${lsn}, then neon import NEW-NAME URI.`), hint);
  t.regex(divergence.decision, /diverged/i);
  t.truthy(divergence.common?.digest);
  t.is(await follow(t, directory, hint, two), 2);
});

test.serial("a server that was promoted before the branch's head can go on from there", async (t) => {
  const directory = await repository(t);
  const primary = await source(t);
  await ask(t, directory, "import", "main", primary.uri);
  const standby = await promotedStandby(t, primary);
  await primary.query("insert into t select generate_series(200, 300)");
  await ask(t, directory, "import", "main", primary.uri);
  const { message, hint, divergence } = await refused(t, directory, "main", standby);
  const lsn = /parts at ([0-9A-F/]+) from branch "main"/.exec(message)?.[1] ?? message;
  t.true(hint.includes(`main@${lsn},`), hint);
  t.truthy(divergence.common?.lsn);
  t.is(await follow(t, directory, hint, standby), 2);
});

test.serial(
  "a server that was promoted before the base backup was complete is told to be imported anew",
  async (t) => {
    const directory = await repository(t);
    const primary = await source(t);
    const standby = await promotedStandby(t, primary);
    await primary.query("insert into t select generate_series(200, 300); select pg_switch_wal()");
    await ask(t, directory, "import", "main", primary.uri);
    const { hint, divergence } = await refused(t, directory, "main", standby);
    t.regex(hint, /^No branch can begin at [0-9A-F/]+: the base backup of branch "main" was not complete/);
    t.is(divergence.common, null);
    t.is(await follow(t, directory, hint, standby), 1);
  },
);

test.serial("a promoted server that lacks the WAL of the parting is told to be imported anew", async (t) => {
  const directory = await repository(t);
  const primary = await source(t);
  await ask(t, directory, "import", "main", primary.uri);
  const standby = await promotedStandby(t, primary);
  await primary.query("insert into t select generate_series(200, 300)");
  await ask(t, directory, "import", "main", primary.uri);
  await standby.query("alter system set wal_keep_size = 0");
  await standby.query("alter system set max_wal_size = '32MB'");
  await standby.query("select pg_reload_conf()");
  for (let i = 0; i < 5; i++) await standby.query("insert into t values (101); select pg_switch_wal()");
  for (let i = 0; i < 2; i++) await standby.query("checkpoint");
  const { hint } = await refused(t, directory, "main", standby);
  t.regex(hint, /^The server no longer has the WAL from there on\./);
  t.is(await follow(t, directory, hint, standby), 1);
});
