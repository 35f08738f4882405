import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { type ConfLine, parseConfLine } from "../../../src/postgres/export/conf-line.js";
import { writeConfiguration } from "../../../src/postgres/export/configuration.js";
import type { RecoveryNeeds } from "../../../src/postgres/export/recovery-needs.js";

const NEEDS: RecoveryNeeds = {
  limits: {
    maxConnections: 55,
    maxWorkerProcesses: 9,
    maxWalSenders: 11,
    maxPreparedXacts: 3,
    maxLocksPerXact: 65,
  },
  trackCommitTimestamp: false,
  extensionResourceManagers: [],
};

interface Options {
  readonly files?: Record<string, string>;
  readonly majorVersion?: number;
  readonly keepConfig?: boolean;
  readonly hasTablespaces?: boolean;
  readonly needs?: Partial<RecoveryNeeds>;
}

async function written(t: ExecutionContext, options: Options) {
  const { path, remove } = await createTemporaryDirectory("neon-conf-");
  t.teardown(remove);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content, "latin1");
  }
  const { notes, port } = await writeConfiguration(path, {
    majorVersion: options.majorVersion ?? 15,
    needs: { ...NEEDS, ...options.needs },
    hasTablespaces: options.hasTablespaces ?? false,
    keepConfig: options.keepConfig ?? false,
    binaries: undefined,
    memoryBytes: 8 * 1024 ** 3,
    freeDiskBytes: 100 * 1024 ** 3,
  });
  const read = (name: string) => readFile(join(path, name), "latin1");
  const lines = async (name: string) =>
    (await read(name))
      .split("\n")
      .map(parseConfLine)
      .filter((line) => line !== undefined);
  const auto = asRecord(await lines("postgresql.auto.conf"));
  const main = asRecord(await lines("postgresql.conf"));
  return { notes: notes.join("\n"), port, read, auto, settings: { ...main, ...auto } };
}

/** The last line of a setting wins. */
function asRecord(lines: readonly ConfLine[]): Record<string, string | undefined> {
  return Object.fromEntries(lines.map(({ name, value }) => [name, value]));
}

test("recovery ends at the end of WAL, on the newest timeline, whatever the source had set", async (t) => {
  const files = {
    "postgresql.conf":
      "recovery_target_timeline = '7'\nrecovery_target_action = 'shutdown'\nhot_standby = on\n",
    "postgresql.auto.conf":
      "restore_command = 'fetch'\nrecovery_target_lsn = '0/1'\nprimary_conninfo = 'password=secret'\n" +
      "recovery_end_command = 'rm'\nrecovery_min_apply_delay = '1h'\narchive_mode = 'always'\n",
  };
  for (const keepConfig of [false, true]) {
    const { settings, notes, read } = await written(t, { files, keepConfig });
    const names = Object.keys(settings).filter((name) =>
      /^(restore|recovery|primary|archive|hot)_/.test(name),
    );
    t.deepEqual(names.sort(), ["hot_standby", "restore_command"]);
    t.like(settings, { restore_command: "false", hot_standby: "off" });
    t.is(await read("recovery.signal"), "");
    t.regex(notes, /recovery_target_lsn/);
    t.notRegex(notes, /secret/);
  }
});

test("settings that recovery cannot do with less of come from the history", async (t) => {
  const files = {
    "postgresql.conf": "max_connections = 10\nmax_replication_slots = 3000\nwal_level = minimal\n",
  };
  const { settings } = await written(t, { files, majorVersion: 18 });
  t.like(settings, {
    max_connections: "55",
    max_worker_processes: "9",
    max_wal_senders: "11",
    max_prepared_transactions: "3",
    max_locks_per_transaction: "65",
    max_replication_slots: "3000",
    max_active_replication_origins: "3000",
    hot_standby: "off",
  });
  t.is(settings.wal_level, undefined);
});

test("commit timestamps go on where the history has them, and as the source says where it has not", async (t) => {
  const files = { "postgresql.conf": "track_commit_timestamp = off\n" };
  const kept = await written(t, { files, needs: { trackCommitTimestamp: true } });
  t.is(kept.settings.track_commit_timestamp, "on");
  t.is((await written(t, { files })).settings.track_commit_timestamp, "off");
});

test("records of an extension are named with what recovery needs for them", async (t) => {
  const { notes } = await written(t, { needs: { extensionResourceManagers: [130] } });
  t.regex(notes, /resource manager 130\).*shared_preload_libraries/);
});

test("no setting is written that the version does not know", async (t) => {
  const of = async (majorVersion: number, hasTablespaces = false) =>
    (await written(t, { majorVersion, hasTablespaces })).settings;
  t.deepEqual(
    [(await of(14)).allow_in_place_tablespaces, (await of(14, true)).allow_in_place_tablespaces],
    [undefined, "on"],
  );
  t.is((await of(15)).allow_in_place_tablespaces, "on");
  t.is((await of(17)).max_active_replication_origins, undefined);
});

test("the copy reaches nobody and is reached through its own socket only, unless its configuration is kept", async (t) => {
  const files = {
    "postgresql.conf":
      "listen_addresses = '*'\nport = 5433\nunix_socket_directories = '/run/pg'\nshared_preload_libraries = 'pg_cron'\n" +
      "synchronous_standby_names = '*'\narchive_command = 'cp secret'\n",
    "postgresql.auto.conf": "unix_socket_permissions = '0777'\nmax_logical_replication_workers = '8'\n",
  };
  const { settings, notes, port, auto } = await written(t, { files });
  t.like(settings, {
    listen_addresses: "",
    port: String(port),
    unix_socket_directories: "pg_stat_tmp",
    unix_socket_permissions: "0700",
    max_logical_replication_workers: "0",
  });
  t.not(port, 5433, "the source's");
  t.is(auto.unix_socket_permissions, "0700", "another postgresql.conf does not open the socket");
  for (const name of ["shared_preload_libraries", "synchronous_standby_names", "archive_command"]) {
    t.is(settings[name], undefined);
    t.regex(notes, new RegExp(`taken out.*${name}`));
  }
  t.notRegex(notes, /secret|pg_cron/);
  const kept = await written(t, { files, keepConfig: true });
  const { "postgresql.conf": main } = files;
  t.is(await kept.read("postgresql.conf"), main);
  t.like(kept.settings, { unix_socket_permissions: "0777", max_logical_replication_workers: "8" });
});

const OF_THE_HOST = [
  "data_directory = '/srv/source'",
  "hba_file '/etc/pg_hba.conf'",
  "ident_file = '/etc/pg_ident.conf'",
  "external_pid_file = '/run/pid'",
  "stats_temp_directory = '/run/stats'",
  "log_directory = '/var/log/postgresql'",
  "log_filename = '../../x.log'",
  "ssl = on",
  "ssl_cert_file = '/etc/ssl/cert.pem'",
  "include '/etc/more.conf'",
  "include_dir '../conf.d'",
  "include 'not-there.conf'",
];

test("what names the source's host is taken out of its files, and kept on demand but for data_directory", async (t) => {
  const files = { "postgresql.conf": `${OF_THE_HOST.join("\n")}\nwork_mem = 1MB\n` };
  const cleared = await written(t, { files });
  const [lines] = (await cleared.read("postgresql.conf")).split("# --- written");
  t.deepEqual(
    lines?.split("\n").filter((line) => parseConfLine(line)),
    ["work_mem = 1MB"],
  );
  t.regex(cleared.notes, /taken out.*data_directory/);

  const kept = await written(t, { files, keepConfig: true });
  const expected = files["postgresql.conf"].replace(
    "data_directory",
    "# taken out by neon export: data_directory",
  );
  t.is(await kept.read("postgresql.conf"), expected);
});

test("what this host can carry stays as it is, without a word", async (t) => {
  const text =
    "shared_buffers = 2GB\nhuge_pages = off\nmax_wal_size = 1GB\ndynamic_shared_memory_type = posix\n" +
    "lc_messages = 'C'\nlog_directory = 'log'\nmax_stack_depth = 2048\n";
  const { read, notes } = await written(t, { files: { "postgresql.conf": text } });
  t.true((await read("postgresql.conf")).startsWith(text));
  t.notRegex(notes, /taken out/);
  const larger = "shared_buffers = 300000\nhuge_pages = on\nmax_wal_size = 1TB\nmax_stack_depth = 7MB\n";
  const there = await written(t, { files: { "postgresql.conf": larger } });
  t.regex(there.notes, /source's host: shared_buffers, huge_pages, max_wal_size, max_stack_depth$/m);
});

test("included files are searched too, once, and keep their bytes", async (t) => {
  const { read, notes } = await written(t, {
    files: {
      "postgresql.conf": "include_dir 'conf.d'\n",
      "conf.d/a.conf": "include 'b.conf'\napplication_name = 'Z\xfcrich'\n",
      "conf.d/b.conf": "include 'a.conf'\ndata_directory = '/srv/source'\n",
    },
  });
  t.is(await read("conf.d/a.conf"), "include 'b.conf'\napplication_name = 'Z\xfcrich'\n");
  t.regex(await read("conf.d/b.conf"), /^# taken out by neon export: data_directory/m);
  t.regex(notes, /data_directory \(conf\.d\/b\.conf\)/);
});

test("missing files are replaced by ones that let in the owner, and passwords", async (t) => {
  const { read, notes } = await written(t, {});
  t.deepEqual(
    (await read("pg_hba.conf"))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(/\s+/).join(" ")),
    [
      "local all all trust",
      "local replication all trust",
      "host all all 127.0.0.1/32 scram-sha-256",
      "host all all ::1/128 scram-sha-256",
    ],
  );
  t.regex(notes, /postgresql\.conf outside/);
  await t.notThrowsAsync(read("pg_ident.conf"));
  const kept = await written(t, { keepConfig: true });
  t.notRegex(await kept.read("pg_hba.conf"), /trust/);
});

test("an earlier export's settings are replaced, and those of ALTER SYSTEM stay", async (t) => {
  const files = { "postgresql.auto.conf": "work_mem = '7MB'\n", "pg_hba.conf": "host all all samenet md5\n" };
  const first = await written(t, { files });
  const names = ["postgresql.auto.conf", "postgresql.conf", "pg_hba.conf"];
  const once = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await first.read(name)])),
  );
  const second = await written(t, { files: once });
  for (const name of names) t.is(await second.read(name), once[name]);
  t.is(second.settings.work_mem, "7MB");
  const kept = await written(t, { files: once, keepConfig: true });
  t.is(
    await kept.read("pg_hba.conf"),
    files["pg_hba.conf"],
    "its socket is open again, and nobody let in by it",
  );
  t.is(kept.settings.unix_socket_permissions, undefined);
});

test("all files of the configuration keep to their owner", async (t) => {
  const { path, remove } = await createTemporaryDirectory("neon-conf-");
  t.teardown(remove);
  const options = { majorVersion: 15, needs: NEEDS, hasTablespaces: false, keepConfig: false };
  await writeConfiguration(path, { ...options, binaries: undefined });
  for (const name of ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"]) {
    t.is((await stat(join(path, name))).mode & 0o777, 0o600);
  }
});
