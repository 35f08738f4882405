import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { freePort } from "../../scripts/support/free-port.js";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { postgresUser } from "../../scripts/support/postgres-user.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { NeonError } from "../../src/errors.js";
import { importBranch } from "../../src/postgres/import/import-branch.js";
import { temporaryStore } from "../support/temporary-store.js";
import { requireTool } from "./support/tools.js";

async function start(t: ExecutionContext): Promise<TestPostgres> {
  const source = await createPostgres({ major: 15, settings: { fsync: "off" } });
  t.teardown(() => source.remove());
  return source;
}

async function importFrom(t: ExecutionContext, uri: string, notices: string[] = []) {
  const repository = await temporaryStore();
  t.teardown(() => repository.remove());
  const onNotice = (text: string) => void notices.push(text);
  return importBranch({ store: repository.store, branch: "main", uri, onNotice });
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const reached = await new Promise<boolean>((answer) => {
      const socket = dial({ host: "127.0.0.1", port }, () => answer(true));
      socket.on("error", () => answer(false)).on("connect", () => socket.destroy());
    });
    if (reached) return;
    await sleep(50);
  }
  throw new Error(`pgbouncer ended with ${child.exitCode}`);
}

test("a pooler in between is recognized, and the hint is to go past it", async (t) => {
  const pgbouncer = requireTool(t, "pgbouncer");
  if (pgbouncer === undefined) return;
  const source = await start(t);
  const directory = await createTemporaryDirectory("neon-pooler-");
  t.teardown(() => directory.remove());
  const port = await freePort();
  const settings = [
    "[databases]",
    `* = host=127.0.0.1 port=${source.port} user=postgres`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "auth_type = any",
    "unix_socket_dir =",
  ];
  const file = join(directory.path, "pgbouncer.ini");
  writeFileSync(file, settings.join("\n"));
  const user = postgresUser();
  if (user !== undefined) for (const path of [directory.path, file]) chownSync(path, user.uid, user.gid);
  const child = spawn(pgbouncer, ["-q", file], { stdio: "ignore", uid: user?.uid, gid: user?.gid });
  t.teardown(() => child.kill("SIGKILL"));
  await listening(port, child);
  const error = await t.throwsAsync(importFrom(t, `postgresql://postgres@127.0.0.1:${port}/`), {
    instanceOf: NeonError,
  });
  t.is(error.sqlstate, "08P01");
  t.regex(error.message, /replication/);
  t.regex(error.hint ?? "", /pooler.*directly/);
});

test("a role that peer authentication refuses is told whom it lets in", async (t) => {
  const source = await start(t);
  await source.query("create role somebody_else login replication");
  writeFileSync(
    join(source.dataDir, "pg_hba.conf"),
    "local all,replication somebody_else peer\nhost all all all trust\n",
  );
  await source.query("select pg_reload_conf()");
  const uri = `postgresql://somebody_else@/?host=${encodeURIComponent(source.socketDir)}&port=${source.port}`;
  const error = await t.throwsAsync(importFrom(t, uri), { instanceOf: NeonError });
  t.is(error.sqlstate, "28000");
  t.regex(error.hint ?? "", /operating system's user of the same name/);
  t.notRegex(error.hint ?? "", /CREATE ROLE/);
});

test("a database in the URI is said to choose nothing, and one that everybody has is not", async (t) => {
  const source = await start(t);
  const notices: string[] = [];
  await importFrom(t, `${source.uri}shop`, notices);
  t.deepEqual(notices, [
    'an import takes the whole cluster: the database "shop" that the URI names chooses nothing',
  ]);
  notices.length = 0;
  await importFrom(t, `${source.uri}postgres`, notices);
  t.deepEqual(notices, []);
});

test("a user without an entry in passwd, as containers have them, runs every command", async (t) => {
  if (process.getuid?.() !== 0) return t.pass("only root becomes another user");
  const main = resolve("dist/src/cli/main.js");
  const nobody = { uid: 54_321, gid: 54_321 };
  if (spawnSync("test", ["-r", main], nobody).status !== 0) return t.pass("the clone is root's alone");
  const directory = await createTemporaryDirectory("neon-nobody-");
  t.teardown(() => directory.remove());
  chmodSync(directory.path, 0o755);
  const home = join(directory.path, "home");
  mkdirSync(home);
  chownSync(home, nobody.uid, nobody.gid);
  const neon = (...args: string[]) => {
    const env = { PATH: process.env.PATH };
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
      ...nobody,
      cwd: home,
      env,
      encoding: "utf8",
    });
    t.is(status, 0, `neon ${args.join(" ")}: ${stderr}`);
  };
  neon("init", "--listen", `127.0.0.1:${await freePort()}`);
  neon("branch", "list");
  neon("start");
  try {
    neon("branch", "list");
    neon("status");
    const source = await start(t);
    neon("import", "main", source.uri);
  } finally {
    neon("stop");
  }
});
