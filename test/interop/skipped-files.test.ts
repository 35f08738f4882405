import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  type PostgresMajor,
  startPostgres,
  type TestPostgres,
} from "../../scripts/support/postgres.js";
import { postgresUser } from "../../scripts/support/postgres-user.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { NeonError } from "../../src/errors.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { importBranch } from "../../src/postgres/import/import-branch.js";
import { temporaryStore } from "../support/temporary-store.js";

async function start(
  t: ExecutionContext,
  settings: Record<string, string> = {},
  major: PostgresMajor = 15,
): Promise<TestPostgres> {
  const source = await createPostgres({ major, settings: { fsync: "off", ...settings } });
  t.teardown(() => source.remove());
  await source.query("create table t as select generate_series(1, 1000) as i");
  return source;
}

/** Moves a file or directory of a stopped server out of its data directory, and leaves a symbolic link to it. */
async function moveAway(source: TestPostgres, path: string): Promise<void> {
  await source.stop();
  const from = join(source.dataDir, path);
  const to = join(source.socketDir, path.replaceAll("/", "-"));
  renameSync(from, to);
  symlinkSync(to, from);
  await source.restart();
}

async function importInto(t: ExecutionContext, source: TestPostgres) {
  const repository = await temporaryStore();
  t.teardown(() => repository.remove());
  const { store } = repository;
  const notices: string[] = [];
  const onNotice = (text: string) => void notices.push(text);
  const imported = importBranch({ store, branch: "main", uri: source.uri, onNotice });
  return { store, notices, imported };
}

const MEMBERS: [what: string, path: (source: TestPostgres) => Promise<string>][] = [
  [
    "a database's directory",
    async (source) => {
      const [[oid]] = await source.query("select oid from pg_database where datname = current_database()");
      return `base/${oid}`;
    },
  ],
  [
    "a table's file",
    async (source) => (await source.query("select pg_relation_filepath('t')"))[0]?.[0] as string,
  ],
  ["the commit log", async () => "pg_xact"],
];

for (const [what, pathOf] of MEMBERS) {
  test(`${what} behind a symbolic link is refused by name, also where the server is told to warn of nothing`, async (t) => {
    const source = await start(t, { client_min_messages: "error" });
    const path = await pathOf(source);
    await moveAway(source, path);
    t.deepEqual(await source.query("select count(*) from t"), [["1000"]]);
    const { store, imported } = await importInto(t, source);
    const error = await t.throwsAsync(imported, { instanceOf: NeonError });
    t.is(error.sqlstate, "55000");
    t.true(error.message.includes(`"${path}"`), error.message);
    t.regex(error.hint ?? "", /tablespace/);
    t.deepEqual(store.listBranches(), []);
  });
}

test("a database's directory behind a symbolic link in a tablespace is refused by name", async (t) => {
  const source = await start(t);
  const location = join(source.socketDir, "far");
  await source.query(`copy (select 1) to program 'cat > /dev/null; mkdir ${location}'`);
  await source.query(`create tablespace far location '${location}'`);
  await source.query("create database there tablespace far");
  const [[oid]] = await source.query("select oid from pg_database where datname = 'there'");
  const [[version]] = await source.query(
    "select pg_ls_dir(pg_tablespace_location(oid)) from pg_tablespace where spcname = 'far'",
  );
  await source.stop();
  const directory = join(location, version as string, oid as string);
  renameSync(directory, join(source.socketDir, "moved"));
  symlinkSync(join(source.socketDir, "moved"), directory);
  await source.restart();
  const { imported } = await importInto(t, source);
  const error = await t.throwsAsync(imported, { instanceOf: NeonError });
  t.true(error.message.includes(`${version}/${oid}"`), error.message);
});

for (const major of [14, 15, 16, 18] as const)
  test(`${major}: links that Postgres makes a copy of, and odd files that are nobody's, are told and do not matter`, async (t) => {
    const source = await start(t, {}, major);
    await moveAway(source, "pg_wal");
    await moveAway(source, "postgresql.conf");
    const odd = (name: string) => join(source.dataDir, name);
    symlinkSync("/var/log", odd("log"));
    symlinkSync("nowhere", odd("dangling"));
    symlinkSync("/tmp", odd("pg_tblspc/backups"));
    spawnSync("mkfifo", [odd("fifo")]);
    const socket = createServer().listen(odd("socket"));
    t.teardown(() => socket.close());
    const { store, notices, imported } = await importInto(t, source);
    const { branch } = await imported;
    for (const name of ["postgresql.conf", "log", "dangling", "fifo", "socket"]) {
      t.is(
        notices.filter((text) => text.includes(`"./${name}"`)).length,
        1,
        `${name}: ${notices.join("; ")}`,
      );
    }
    t.false(notices.join().includes("pg_wal"));
    const exports = await createTemporaryDirectory("neon-export-");
    t.teardown(() => exports.remove());
    const directory = join(exports.path, "data");
    await exportBranch({ store, branch, directory });
    const copy = await startPostgres(directory, major);
    t.teardown(() => copy.remove());
    t.deepEqual(await copy.query("select count(*) from t"), [["1000"]]);
  });

test("a file or directory that the server may not read is named, with what to do about it", async (t) => {
  if (postgresUser() === undefined) return t.pass("only root makes files that their owner cannot give away");
  for (const make of [
    (path: string) => writeFileSync(path, "x", { mode: 0o600 }),
    (path: string) => mkdirSync(path, { mode: 0o700 }),
  ]) {
    const source = await start(t);
    make(join(source.dataDir, "private"));
    chownSync(join(source.dataDir, "private"), 0, 0);
    const { imported } = await importInto(t, source);
    const error = await t.throwsAsync(imported, { instanceOf: NeonError });
    t.is(error.sqlstate, "42501");
    t.regex(error.message, /"\.\/private"/);
    t.regex(error.hint ?? "", /chown/);
    t.notRegex(error.hint ?? "", /REPLICATION/);
  }
});

test("a path that is too long for a base backup is refused by name, with what to do about it", async (t) => {
  const source = await start(t);
  writeFileSync(join(source.dataDir, "x".repeat(120)), "");
  const { imported } = await importInto(t, source);
  const error = await t.throwsAsync(imported, { instanceOf: NeonError });
  t.regex(error.message, /x{120}/);
  t.regex(error.hint ?? "", /99 bytes/);
});
