import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  createStandby,
  type PostgresMajor,
  startPostgres,
  type TestPostgres,
} from "../../scripts/support/postgres.js";
import { tableDigests } from "../../scripts/support/table-digests.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { startWorkload } from "../../scripts/support/workload.js";
import { parseLsn } from "../../src/lsn.js";
import { neon, spawnNeon, temporaryRepository } from "../cli/support/neon.js";
import { startServer } from "../fault/support/repository.js";
import { until } from "../postgres/import/append-fixture.js";
import { standbyAt } from "./support/standby-at.js";

interface Head {
  readonly lsn: string;
  readonly digest: string;
}

/** Runs a command that has to succeed, and reads its answer. */
async function ask(t: ExecutionContext, directory: string, ...words: string[]) {
  const { status, stdout, stderr } = await neon(directory, ...words, "--json");
  t.is(status, 0, stderr);
  return JSON.parse(stdout);
}

async function headOf(t: ExecutionContext, directory: string, branch: string): Promise<Head | undefined> {
  const rows: { name: string; head: Head }[] = await ask(t, directory, "branch", "list");
  return rows.find(({ name }) => name === branch)?.head;
}

/** Waits until a branch has come to an LSN, however long that takes. */
async function reached(t: ExecutionContext, directory: string, branch: string, lsn: string): Promise<void> {
  for (let i = 0; ; i++) {
    const head = await headOf(t, directory, branch);
    if (head !== undefined && parseLsn(head.lsn) >= parseLsn(lsn)) return;
    if (i === 600) throw new Error(`${branch} did not come to ${lsn}: it stands at ${head?.lsn}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Where a server's WAL ends, all of it flushed. */
async function walEnd(server: TestPostgres): Promise<string> {
  await server.query("select pg_logical_emit_message(true, '', '')");
  const [[lsn]] = (await server.query("select pg_current_wal_flush_lsn()")) as [[string]];
  return lsn;
}

async function boot(t: ExecutionContext, directory: string, branch: string): Promise<TestPostgres> {
  const exports = await createTemporaryDirectory("neon-boot-");
  t.teardown(() => exports.remove());
  const exported = await ask(t, directory, "export", branch, `${exports.path}/data`);
  const server = await startPostgres(`${exports.path}/data`, exported.postgres_major_version);
  t.teardown(() => server.remove());
  return server;
}

async function chain(t: ExecutionContext, major: PostgresMajor): Promise<void> {
  t.timeout(600_000);
  const settings = { fsync: "off", wal_keep_size: "2GB", hot_standby_feedback: "off" };
  const source = await createPostgres({ major, settings });
  t.teardown(() => source.remove());
  const standby = await createStandby(source);
  t.teardown(() => standby.remove());
  await standby.stop();

  const workload = await startWorkload(source);
  t.teardown(() => workload.stop().catch(() => undefined));
  const [near, far] = [await temporaryRepository(t), await temporaryRepository(t)];
  await startServer(near);
  const { port } = await startServer(far);
  t.is((await neon(near, "origin", "add", "cloud", `postgresql://127.0.0.1:${port}/`)).status, 0);
  const importing = spawnNeon(near, "import", "main", source.uri, "--follow");
  await reached(t, near, "main", "0/0");
  const pushing = spawnNeon(near, "push", "main", "cloud", "--follow");
  for (const change of ["select pg_switch_wal()", "checkpoint", "vacuum pgbench_accounts"]) {
    await source.query(change);
    await reached(t, far, "main", await walEnd(source));
  }

  // The branch goes on meanwhile: a fork holds still what it is at this moment.
  await ask(t, far, "branch", "create", "moment", "main");
  const moment = (await headOf(t, far, "moment")) as Head;
  await reached(t, far, "main", await walEnd(source));
  const [[lsn]] = await standbyAt(standby, moment.lsn);
  t.is(lsn, moment.lsn);
  const [there, expected] = [await boot(t, far, "moment"), await tableDigests(standby)];
  t.deepEqual(await tableDigests(there), expected);
  t.true((expected.get("postgres.public.pgbench_history")?.rows ?? 0) > 0);
  await standby.remove();
  await there.remove();

  await workload.stop();
  await reached(t, far, "main", await walEnd(source));
  const rows = await tableDigests(source);
  pushing.child.kill("SIGINT");
  importing.child.kill("SIGINT");
  for (const { outcome } of [pushing, importing]) {
    const { status, stderr } = await outcome;
    t.is(status, 0, stderr);
  }
  await until(source, "not exists (select from pg_replication_slots where active)");
  const end = await boot(t, far, "main");
  t.deepEqual(await tableDigests(end), rows);
  t.notDeepEqual(rows, expected);
  await ask(t, near, "verify");
  await ask(t, far, "verify");
}

for (const major of [15, 18] as const) {
  test.serial(
    `${major}: a busy server followed to one page server and on to another: the far branch is at any moment what a stock standby is at that LSN`,
    (t) => chain(t, major),
  );
}
