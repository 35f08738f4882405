import { spawnSync } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import pg from "pg";
import type { TestPostgres } from "../../scripts/support/postgres.js";
import { postgresUser } from "../../scripts/support/postgres-user.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { importCluster } from "../../src/postgres/import/import-cluster.js";
import { type SourceBranch, sourceBranch } from "./support/source-branch.js";
import { requireTool } from "./support/tools.js";

const DEBIAN = "/usr/lib/postgresql/15/bin";

/** Gives the superuser that initdb made another name, and its own one to a new role. */
async function renameBootstrapSuperuser({ query, socketDir, port }: TestPostgres): Promise<void> {
  await query("create role other superuser login");
  const client = new pg.Client({ host: socketDir, port, user: "other", database: "postgres" });
  await client.connect();
  await client.query('alter role postgres rename to "the boss"');
  await client.query("create role postgres superuser login");
  await client.query("checkpoint");
  await client.end();
}

let source: SourceBranch;

test.before(async () => {
  source = await sourceBranch({ major: 15 }, renameBootstrapSuperuser);
  await chmod(source.exports, 0o711);
});

test.after.always(() => source?.remove());

/** Does what export printed, and then asks in the psql that it ends with. */
function paste(t: ExecutionContext, directory: string, commands: readonly string[], sql: string): string {
  t.teardown(() => {
    const user = postgresUser();
    spawnSync(join(DEBIAN, "pg_ctl"), ["-D", directory, "-m", "immediate", "stop"], {
      cwd: "/",
      uid: user?.uid,
      gid: user?.gid,
    });
  });
  // Not even PATH leads to Postgres.
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", HOME: "/nonexistent" };
  const script = `set -e\n${commands.slice(0, -1).join("\n")}\nexec ${commands.at(-1)} -Atq`;
  const { stdout, stderr, status } = spawnSync("/bin/sh", ["-c", script], {
    cwd: "/",
    env,
    input: sql,
    encoding: "utf8",
  });
  t.is(status, 0, stderr);
  return stdout.trim().split("\n").at(-1) ?? "";
}

const ASK =
  "insert into t values (0, 'mine'); select count(*), current_user, pg_is_in_recovery(), inet_server_addr() is null from t;";

test.serial(
  "the commands that export ends with start a copy on Debian, wait for it and log its owner in",
  async (t) => {
    if (requireTool(t, "pg_checksums") === undefined) return;
    const directory = join(source.exports, "a copy's place");
    const { store } = source.repository;
    const { commands } = await exportBranch({ store, branch: source.branch, directory });
    t.true(commands.some((command) => command.includes(`${DEBIAN}/pg_ctl`)));
    t.is(paste(t, directory, commands, ASK), "1001|the boss|f|t");
  },
);

test.serial("two copies at a time, one of them far down, do not meet", async (t) => {
  if (requireTool(t, "pg_checksums") === undefined) return;
  const { store } = source.repository;
  const directories = ["one", `${"deep/".repeat(20)}two`].map((name) => join(source.exports, name));
  for (const directory of directories) {
    await mkdir(dirname(directory), { recursive: true });
    const { commands } = await exportBranch({ store, branch: source.branch, directory });
    t.is(paste(t, directory, commands, ASK), "1001|the boss|f|t");
  }
});

test.serial("a kept configuration of a port that is taken is started beside it", async (t) => {
  if (requireTool(t, "pg_checksums") === undefined) return;
  const { store } = source.repository;
  const directory = join(source.exports, "kept");
  const { commands } = await exportBranch({ store, branch: source.branch, directory, keepConfig: true });
  const [role] = commands.splice(-1).map((command) => `${command} -v ON_ERROR_STOP=1`);
  t.is(paste(t, directory, [...commands, role as string], ASK), "1001|the boss|f|t");
});

test.serial(
  "others of the host are not let in, and a running copy is imported through its socket",
  async (t) => {
    const user = postgresUser();
    if (user === undefined) return t.pass("only root can be somebody else");
    const { store } = source.repository;
    const directory = join(source.exports, "closed");
    const { commands } = await exportBranch({ store, branch: source.branch, directory });
    t.is(paste(t, directory, commands, ASK), "1001|the boss|f|t");
    // Even where the directory is opened, the socket is not.
    spawnSync("chmod", ["711", directory, join(directory, "pg_stat_tmp")]);
    const socket = join(directory, "pg_stat_tmp");
    const port = Number(/-p (\d+)/.exec(commands.at(-1) ?? "")?.[1]);
    const args = ["-h", socket, "-p", String(port), "-U", "postgres", "-c", "select 1"];
    const nobody = spawnSync(join(DEBIAN, "psql"), args, {
      cwd: "/",
      encoding: "utf8",
      uid: 65534,
      gid: 65534,
    });
    t.regex(nobody.stderr, /Permission denied/);
    const uri = `postgresql://postgres@/?host=${encodeURIComponent(socket)}&port=${port}`;
    const { branch } = await importCluster({ store, branch: "again", uri });
    t.true(branch.head.lsn > source.branch.head.lsn);
  },
);
