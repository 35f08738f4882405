import { existsSync, readFileSync } from "node:fs";
import { appendFile, chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { startPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { giveToPostgres } from "../../scripts/support/postgres-process.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { importCluster } from "../../src/postgres/import/import-cluster.js";
import { type SourceBranch, sourceBranch } from "./support/source-branch.js";

async function show(postgres: TestPostgres, ...names: string[]): Promise<string[]> {
  return (await Promise.all(names.map((name) => postgres.query(`show ${name}`)))).flat(2);
}

async function exported(source: SourceBranch, keepConfig: boolean) {
  const directory = join(source.exports, keepConfig ? "kept" : "cleared");
  const { store } = source.repository;
  const { notes } = await exportBranch({ store, branch: source.branch, directory, keepConfig });
  return { directory, notes };
}

test.serial(
  "an archive_command of the source never runs at the far side, and is cleared unless it is kept",
  async (t) => {
    const archive = await createTemporaryDirectory("neon-archive-");
    t.teardown(archive.remove);
    const log = join(archive.path, "log");
    await writeFile(log, "");
    await chmod(log, 0o666);
    const settings = { archive_mode: "on", archive_command: `echo %f >> ${log}` };
    const source = await sourceBranch({ major: 15, settings });
    t.teardown(source.remove);
    await source.postgres.stop();
    const archived = readFileSync(log, "utf8");
    for (const keepConfig of [false, true]) {
      const { directory, notes } = await exported(source, keepConfig);
      t.is(notes.join("\n").includes("archive_command"), !keepConfig);
      t.notRegex(notes.join("\n"), /echo/, "a value may be a secret");
      const there = await startPostgres(directory, 15);
      t.teardown(there.remove);
      await there.query("insert into t values (0, 'far'); select pg_switch_wal(); checkpoint");
      t.deepEqual(await show(there, "archive_mode"), ["off"]);
      const [command] = await there.query(
        "select setting from pg_file_settings where name = 'archive_command' and applied",
      );
      t.deepEqual(command, keepConfig ? [`echo %f >> ${log}`] : undefined);
      await there.stop();
    }
    t.is(readFileSync(log, "utf8"), archived);
  },
);

test.serial("an archive that never takes anything holds up neither import nor export", async (t) => {
  const source = await sourceBranch({
    major: 14,
    settings: { archive_mode: "on", archive_command: "false" },
  });
  t.teardown(source.remove);
  const { directory } = await exported(source, false);
  const there = await startPostgres(directory, 14);
  t.teardown(there.remove);
  t.deepEqual(await there.query("select count(*) from t"), [["1000"]]);
});

test.serial(
  "configuration outside the data directory, as Debian has it, is replaced by a minimal one",
  async (t) => {
    const etc = await createTemporaryDirectory("neon-etc-");
    t.teardown(etc.remove);
    const debian = await debianCluster(etc.path);
    t.teardown(debian.remove);
    const { directory, notes } = await exported(debian, false);
    for (const name of ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"]) {
      t.true(existsSync(join(directory, name)));
    }
    t.regex(notes.join("\n"), /postgresql\.conf outside its data directory/);
    t.regex(readFileSync(join(directory, "pg_hba.conf"), "utf8"), /scram-sha-256/);
    const there = await startPostgres(directory, 15);
    t.teardown(there.remove);
    t.deepEqual(await there.query("select count(*) from t"), [["1000"]]);
    t.deepEqual(await show(there, "max_connections", "data_directory"), ["42", directory]);
  },
);

/** A cluster whose configuration lies in `etc` and names everything, imported. */
async function debianCluster(etc: string): Promise<SourceBranch> {
  const source = await sourceBranch({ major: 15, settings: { max_connections: "42" } });
  const { postgres, repository } = source;
  await postgres.stop();
  const files = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"];
  for (const name of files) await rename(join(postgres.dataDir, name), join(etc, name));
  await appendFile(
    join(etc, "postgresql.conf"),
    `data_directory = '${postgres.dataDir}'\nhba_file = '${etc}/pg_hba.conf'\nident_file = '${etc}/pg_ident.conf'\n`,
  );
  await giveToPostgres(etc);
  await chmod(etc, 0o755);
  const moved = await startPostgres(postgres.dataDir, 15, {
    settings: { config_file: join(etc, "postgresql.conf") },
  });
  const { branch } = await importCluster({ store: repository.store, branch: "debian", uri: moved.uri });
  await moved.stop();
  const remove = async () => {
    await moved.remove();
    await source.remove();
  };
  return { ...source, branch, remove };
}

test.serial(
  "a configuration that names the source's own files starts the export, not the source",
  async (t) => {
    const source = await sourceBranch({ major: 18 }, async (postgres) => {
      const conf = join(postgres.dataDir, "postgresql.conf");
      await mkdir(join(postgres.dataDir, "conf.d"));
      await appendFile(
        conf,
        [
          `data_directory = '${postgres.dataDir}'`,
          `hba_file '${postgres.dataDir}/pg_hba.conf'`,
          `external_pid_file = '${postgres.dataDir}/external.pid'`,
          "include_dir 'conf.d'",
          "include_if_exists = '/etc/not-there.conf'",
          "shared_preload_libraries = ''",
          "",
        ].join("\n"),
      );
      const more = `log_directory = '${postgres.dataDir}/log'\nwork_mem = '7MB'\n`;
      await writeFile(join(postgres.dataDir, "conf.d", "more.conf"), more);
      await giveToPostgres(postgres.dataDir);
      await postgres.restart();
      await postgres.query("alter system set synchronous_standby_names = 'nobody'");
      await postgres.query("alter system set synchronous_commit = 'local'");
      await postgres.query("alter system set recovery_target_time = '2001-01-01'");
    });
    t.teardown(source.remove);
    const { directory, notes } = await exported(source, false);
    const there = await startPostgres(directory, 18);
    t.teardown(there.remove);
    const names = ["data_directory", "hba_file", "external_pid_file", "log_directory", "work_mem"];
    t.deepEqual(await show(there, ...names), [directory, join(directory, "pg_hba.conf"), "", "log", "7MB"]);
    t.deepEqual(await show(there, "synchronous_standby_names", "synchronous_commit"), ["", "local"]);
    for (const name of ["data_directory", "log_directory (conf.d/more.conf)", "synchronous_standby_names"]) {
      t.true(notes.join("\n").includes(name), name);
    }
    const before = await readFile(join(directory, "postgresql.conf"), "utf8");
    t.regex(before, /^# taken out by neon export: data_directory = /m);
    t.regex(before, /^# taken out by neon export: include_if_exists/m);
  },
);

test.serial("an exported cluster can be imported and exported again", async (t) => {
  const source = await sourceBranch({ major: 18 });
  t.teardown(source.remove);
  const { directory } = await exported(source, false);
  const there = await startPostgres(directory, 18);
  t.teardown(there.remove);
  await there.query("insert into t values (0, 'far')");
  const { store } = source.repository;
  const { branch } = await importCluster({ store, branch: "again", uri: there.uri });
  await there.stop();
  const again = join(source.exports, "again");
  await exportBranch({ store, branch, directory: again });
  t.true(existsSync(join(again, "pg_wal", "00000002.history")));
  const auto = await readFile(join(again, "postgresql.auto.conf"), "utf8");
  t.is(auto.match(/^restore_command/gm)?.length, 1);
  const last = await startPostgres(again, 18);
  t.teardown(last.remove);
  t.deepEqual(await last.query("select count(*), min(id) from t"), [["1001", "0"]]);
  t.deepEqual(await last.query("select timeline_id from pg_control_checkpoint()"), [["3"]]);
});
