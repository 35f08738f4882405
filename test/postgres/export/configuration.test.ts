import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import type { ControlFile } from "../../../src/postgres/control-file.js";
import { parseConfLine } from "../../../src/postgres/export/conf-line.js";
import { writeConfiguration } from "../../../src/postgres/export/configuration.js";

const CONTROL = {
  maxConnections: 55,
  maxWorkerProcesses: 9,
  maxWalSenders: 11,
  maxPreparedXacts: 3,
  maxLocksPerXact: 65,
} as ControlFile;

interface Options {
  readonly files?: Record<string, string>;
  readonly majorVersion?: number;
  readonly keepConfig?: boolean;
  readonly hasTablespaces?: boolean;
}

async function written(t: ExecutionContext, options: Options) {
  const { path, remove } = await createTemporaryDirectory("neon-conf-");
  t.teardown(remove);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content, "latin1");
  }
  const notes = await writeConfiguration(path, {
    majorVersion: options.majorVersion ?? 15,
    control: CONTROL,
    hasTablespaces: options.hasTablespaces ?? false,
    keepConfig: options.keepConfig ?? false,
  });
  const read = (name: string) => readFile(join(path, name), "latin1");
  const auto = (await read("postgresql.auto.conf")).split("\n").map(parseConfLine);
  const settings: Record<string, string | undefined> = Object.fromEntries(
    auto.filter((line) => line !== undefined).map((line) => [line.name, line.value]),
  );
  return { notes: notes.join("\n"), read, settings };
}

test("recovery ends at the end of WAL, on the newest timeline, whatever the source had set", async (t) => {
  const auto =
    "restore_command = 'fetch'\nrecovery_target_lsn = '0/1'\nprimary_conninfo = 'password=secret'\n";
  const { settings, notes, read } = await written(t, { files: { "postgresql.auto.conf": auto } });
  t.is(settings.restore_command, "false");
  t.is(settings.recovery_target_timeline, "latest");
  for (const target of ["", "_lsn", "_name", "_time", "_xid"]) t.is(settings[`recovery_target${target}`], "");
  for (const name of [
    "primary_conninfo",
    "primary_slot_name",
    "recovery_end_command",
    "archive_cleanup_command",
  ]) {
    t.is(settings[name], "", name);
  }
  t.is(settings.recovery_min_apply_delay, "0");
  t.is(await read("recovery.signal"), "");
  t.regex(notes, /recovery_target_lsn/);
  t.notRegex(notes, /secret/);
});

test("settings that recovery cannot do with less of come from pg_control", async (t) => {
  const { settings } = await written(t, { files: { "postgresql.conf": "max_connections = 10\n" } });
  t.like(settings, {
    max_connections: "55",
    max_worker_processes: "9",
    max_wal_senders: "11",
    max_prepared_transactions: "3",
    max_locks_per_transaction: "65",
    hot_standby: "off",
    archive_mode: "off",
  });
});

test("no setting is written that the version does not know", async (t) => {
  const of = async (majorVersion: number, hasTablespaces = false) =>
    (await written(t, { majorVersion, hasTablespaces })).settings;
  t.deepEqual(
    [(await of(14)).allow_in_place_tablespaces, (await of(14, true)).allow_in_place_tablespaces],
    [undefined, "on"],
  );
  t.is((await of(15)).allow_in_place_tablespaces, "on");
  t.deepEqual([(await of(14)).archive_library, (await of(15)).archive_library], [undefined, ""]);
  t.deepEqual(
    [(await of(16)).synchronized_standby_slots, (await of(17)).synchronized_standby_slots],
    [undefined, ""],
  );
});

const OF_THE_HOST = [
  "data_directory = '/srv/source'",
  "hba_file '/etc/pg_hba.conf'",
  "ident_file = '/etc/pg_ident.conf'",
  "external_pid_file = '/run/pid'",
  "unix_socket_directories = '/var/run/postgresql'",
  "stats_temp_directory = '/run/stats'",
  "log_directory = '/var/log/postgresql'",
  "listen_addresses = '10.1.2.3, localhost'",
  "ssl = on",
  "ssl_cert_file = '/etc/ssl/cert.pem'",
  "include '/etc/more.conf'",
  "include_dir '../conf.d'",
  "include 'not-there.conf'",
];

test("what names the source's host is taken out of its files, and kept on demand but for data_directory", async (t) => {
  const files = { "postgresql.conf": `${OF_THE_HOST.join("\n")}\nwork_mem = 1MB\n` };
  const cleared = await written(t, { files });
  const lines = (await cleared.read("postgresql.conf")).split("\n").filter((line) => parseConfLine(line));
  t.deepEqual(lines, ["work_mem = 1MB"]);
  t.regex(cleared.notes, /postgresql\.conf: data_directory was taken out/);
  t.is(cleared.settings.shared_preload_libraries, "");

  const kept = await written(t, { files, keepConfig: true });
  const expected = files["postgresql.conf"].replace(
    "data_directory",
    "# taken out by neon export: data_directory",
  );
  t.is(await kept.read("postgresql.conf"), expected);
  t.is(kept.settings.shared_preload_libraries, undefined);
  t.is(kept.settings.archive_mode, "off");
});

test("TLS and logs in the data directory stay on", async (t) => {
  const text = "ssl = on\nssl_cert_file = 'server.crt'\nlog_directory = 'log'\nlisten_addresses = '*'\n";
  const { read, notes } = await written(t, { files: { "postgresql.conf": text } });
  t.is(await read("postgresql.conf"), text);
  t.notRegex(notes, /ssl|log_directory|listen/);
});

test("included files are searched too, once, and keep their bytes", async (t) => {
  const { read } = await written(t, {
    files: {
      "postgresql.conf": "include_dir 'conf.d'\n",
      "conf.d/a.conf": "include 'b.conf'\napplication_name = 'Z\xfcrich'\n",
      "conf.d/b.conf": "include 'a.conf'\ndata_directory = '/srv/source'\n",
    },
  });
  t.is(await read("conf.d/a.conf"), "include 'b.conf'\napplication_name = 'Z\xfcrich'\n");
  t.regex(await read("conf.d/b.conf"), /^# taken out by neon export: data_directory/m);
});

test("missing files are replaced by minimal ones that let nobody in without a password", async (t) => {
  const { read, notes } = await written(t, {});
  t.regex(await read("pg_hba.conf"), /scram-sha-256/);
  t.notRegex(await read("pg_hba.conf"), /trust/);
  for (const name of ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"]) t.true(notes.includes(name));
  const present = await written(t, { files: { "pg_hba.conf": "local all all trust\n" } });
  t.is(await present.read("pg_hba.conf"), "local all all trust\n");
});

test("an earlier export's settings are replaced, and those of ALTER SYSTEM stay", async (t) => {
  const first = await written(t, { files: { "postgresql.auto.conf": "work_mem = '7MB'\n" } });
  const once = await first.read("postgresql.auto.conf");
  const second = await written(t, { files: { "postgresql.auto.conf": once } });
  t.is(await second.read("postgresql.auto.conf"), once);
  t.is(second.settings.work_mem, "7MB");
});
