import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { appendFile, chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import pg from "pg";
import { POSTGRES_MAJORS, postgresBinaries } from "../../scripts/support/postgres-binaries.js";
import { giveToPostgres, postgresEnvironment } from "../../scripts/support/postgres-process.js";
import { postgresUser } from "../../scripts/support/postgres-user.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { SOCKET_DIRECTORY, TREATED_SETTINGS } from "../../src/postgres/export/settings-table.js";
import { importCluster } from "../../src/postgres/import/import-cluster.js";
import { HARMLESS_CATEGORIES, HARMLESS_SETTINGS } from "./support/harmless-settings.js";
import { hostileSettings } from "./support/hostile-settings.js";
import { sourceBranch } from "./support/source-branch.js";

// The source's own: what recovery needs is more than the hostile configuration says.
const LIMITS = {
  max_connections: "40",
  max_worker_processes: "9",
  max_wal_senders: "6",
  max_prepared_transactions: "3",
  max_locks_per_transaction: "70",
  track_commit_timestamp: "on",
};

/** What a copy shows where export sets something; all else is as Postgres has it where nobody sets anything. */
const SET_BY_EXPORT: Record<string, string> = {
  ...LIMITS,
  restore_command: "false",
  hot_standby: "off",
  wal_keep_size: "1GB",
  max_replication_slots: "1000",
  max_active_replication_origins: "1000",
  max_logical_replication_workers: "0",
  listen_addresses: "",
  unix_socket_directories: SOCKET_DIRECTORY,
  unix_socket_permissions: "0700",
};

async function settings(query: (sql: string) => Promise<string[][]>): Promise<Map<string, string>> {
  const rows = await query("select lower(name), current_setting(name) from pg_settings");
  return new Map(rows as [string, string][]);
}

for (const major of POSTGRES_MAJORS) {
  test.serial(
    `a copy of ${major} with a hostile value of every setting starts, reached by nobody and reaching nobody`,
    async (t) => {
      const canary = await createTemporaryDirectory("neon-canary-");
      t.teardown(canary.remove);
      await chmod(canary.path, 0o777);
      const hostile = hostileSettings(canary.path);
      const source = await sourceBranch({ major, settings: LIMITS });
      t.teardown(source.remove);
      const before = await settings(source.postgres.query);
      const categories = await source.postgres.query("select lower(name), category from pg_settings");

      const known = TREATED_SETTINGS.filter(({ since = 14, until = 99 }) => since <= major && major <= until);
      const treated = new Set(known.map(({ name }) => name));
      t.deepEqual(
        known.map(({ name }) => name).filter((name) => !before.has(name) || !(name in hostile)),
        [],
        "the table names settings that this version does not know, or that no hostile value is known for",
      );
      t.deepEqual(
        categories
          .filter(([name = "", category = ""]) => !treated.has(name) && !isHarmless(name, category))
          .map(([name]) => name),
        [],
        "nobody has judged these settings",
      );

      // The running source does not read them; a base backup takes them along. Half of them as ALTER SYSTEM would write them.
      const lines = [...treated].map((name) => `${name} = '${hostile[name]}'\n`);
      const half = Math.floor(lines.length / 2);
      await appendFile(join(source.postgres.dataDir, "postgresql.conf"), lines.slice(0, half).join(""));
      await appendFile(join(source.postgres.dataDir, "postgresql.auto.conf"), lines.slice(half).join(""));
      const { store } = source.repository;
      const { branch } = await importCluster({ store, branch: "hostile", uri: source.postgres.uri });
      const directory = join(source.exports, "copy");
      const binaries = postgresBinaries(major);
      const { notes } = await exportBranch({ store, branch, directory, binaries });
      t.notRegex(notes.join("\n"), /secret|production|touch/, "a value may be a secret");
      for (const name of treated) {
        if (!(name in SET_BY_EXPORT) && !["port", "allow_in_place_tablespaces"].includes(name))
          t.regex(notes.join("\n"), new RegExp(`taken out.*\\b${name}\\b`));
      }

      const copy = await startedAsItIs(t, directory, binaries);
      const after = await settings(copy.query);
      for (const name of treated) {
        if (name === "port") continue;
        const expected = SET_BY_EXPORT[name] ?? defaultOf(name, directory, major) ?? before.get(name);
        t.is(after.get(name), expected, name);
      }
      t.not(after.get("port"), "5432");
      t.deepEqual(await copy.query("select count(*) from t"), [["1000"]]);
      await copy.query("select pg_switch_wal(); checkpoint");
      t.deepEqual(
        await copy.query("select count(*) from pg_stat_activity where backend_type like 'logical%'"),
        [["0"]],
      );
      t.deepEqual(readdirSync(canary.path), [], "a command of the source ran");
      const log = await readFile(join(directory, "startup.log"), "utf8");
      t.notRegex(log, /ERROR|PANIC|WARNING/);
    },
  );
}

function isHarmless(name: string, category: string): boolean {
  return HARMLESS_SETTINGS.has(name) || HARMLESS_CATEGORIES.test(category);
}

/** Settings whose value depends on the place or the version. */
function defaultOf(name: string, directory: string, major: number): string | undefined {
  const defaults: Record<string, string> = {
    data_directory: directory,
    allow_in_place_tablespaces: major === 14 ? "off" : "on",
    hba_file: join(directory, "pg_hba.conf"),
    ident_file: join(directory, "pg_ident.conf"),
  };
  return defaults[name];
}

/** Starts a copy without any setting on the command line, as the user of Postgres. */
async function startedAsItIs(t: ExecutionContext, directory: string, binaries: string) {
  await giveToPostgres(directory);
  const user = postgresUser();
  const control = (...words: string[]) =>
    spawnSync(join(binaries, "pg_ctl"), ["-D", directory, "-l", join(directory, "startup.log"), ...words], {
      cwd: "/",
      env: postgresEnvironment(),
      encoding: "utf8",
      uid: user?.uid,
      gid: user?.gid,
      stdio: "ignore",
    });
  t.teardown(() => control("-m", "immediate", "stop"));
  const { status } = control("start");
  t.is(status, 0, await readFile(join(directory, "startup.log"), "utf8"));
  const conf = await readFile(join(directory, "postgresql.conf"), "utf8");
  const port = Number(/^port = '(\d+)'$/m.exec(conf)?.[1]);
  const query = async (sql: string): Promise<string[][]> => {
    const host = join(directory, SOCKET_DIRECTORY);
    const client = new pg.Client({ host, port, user: "postgres", database: "postgres" });
    await client.connect();
    try {
      const answer = await client.query({ text: sql, rowMode: "array" });
      return (Array.isArray(answer) ? answer.at(-1) : answer).rows.map((row: unknown[]) => row.map(String));
    } finally {
      await client.end();
    }
  };
  for (let attempt = 0; ; attempt++) {
    try {
      await query("select 1");
      return { query };
    } catch (error) {
      if (attempt === 300) throw error;
      await sleep(100);
    }
  }
}

test.serial(
  "what the Postgres of this host refuses is taken out, a line that it cannot read among it",
  async (t) => {
    const source = await sourceBranch({ major: 18 }, async (postgres) => {
      await mkdir(join(postgres.dataDir, "conf.d"));
      const lines = [
        "lc_messages = 'xx_XX.UTF-8'",
        "TimeZone = 'Mars/Olympus_Mons'",
        "setting_of_a_fork = on",
        "effective_io_concurrency = 1000000",
        "log_min_messages = panic",
        "work_mem = 5MB and more",
      ];
      await appendFile(join(postgres.dataDir, "postgresql.conf"), "include_dir 'conf.d'\nwork_mem = 6MB\n");
      await writeFile(join(postgres.dataDir, "conf.d", "a.conf"), `${lines.join("\n")}\n`);
      await giveToPostgres(postgres.dataDir);
    });
    t.teardown(source.remove);
    const directory = join(source.exports, "copy");
    const binaries = postgresBinaries(18);
    const { store } = source.repository;
    const { notes } = await exportBranch({ store, branch: source.branch, directory, binaries });
    const [refused = ""] = notes.filter((note) => note.includes("does not start with it"));
    for (const name of [
      "lc_messages",
      "timezone",
      "setting_of_a_fork",
      "effective_io_concurrency",
      "work_mem",
    ]) {
      t.regex(refused, new RegExp(`\\b${name}\\b`));
    }
    t.regex(notes.join("\n"), /a database with a locale that this host lacks/);
    const copy = await startedAsItIs(t, directory, binaries);
    t.deepEqual(await copy.query("select current_setting('work_mem'), current_setting('timezone')"), [
      ["6MB", "GMT"],
    ]);
  },
);
