import {
  atMost,
  atMostBytes,
  type ExportFacts,
  fitsDisk,
  fitsMemory,
  inDataDirectory,
  off,
  oneOf,
  type SettingGroup,
  type TreatedSetting,
} from "./treated-setting.js";

const KB = 1024;
const MB = 1024 * KB;
const PAGE = 8 * KB;

/** Where the socket lies, in the data directory: see docs/architecture.md. */
export const SOCKET_DIRECTORY = "pg_stat_tmp";

/**
 * All settings of Postgres 14 to 18 that export treats; the others come along as they are. A test walks pg_settings of
 * every major version: a setting that is neither here nor known to be harmless fails it.
 */
export const TREATED_SETTINGS: readonly TreatedSetting[] = [
  ...group("recovery", [
    // With the source's, the export would start the source's own files.
    { name: "data_directory" },
    // Recovery ends at the end of the WAL that is there: a recovery target stops one record early or late.
    { name: "restore_command", value: "false" },
    { name: "recovery_target" },
    { name: "recovery_target_lsn" },
    { name: "recovery_target_name" },
    { name: "recovery_target_time" },
    { name: "recovery_target_xid" },
    {
      name: "recovery_target_timeline",
      value: ({ needs }) => needs.targetTimelineId?.toString(),
      keep: oneOf("latest"),
    },
    { name: "recovery_target_action", keep: oneOf("pause") },
    { name: "recovery_target_inclusive" },
    { name: "recovery_min_apply_delay", keep: oneOf("0") },
    { name: "recovery_end_command" },
    { name: "archive_cleanup_command" },
    { name: "promote_trigger_file", until: 15 },
    { name: "primary_conninfo" },
    { name: "primary_slot_name" },
    { name: "archive_mode", keep: off },
    { name: "hot_standby", value: "off" },
    // It would hide what the copy lacks.
    { name: "ignore_invalid_pages", keep: off },
    { name: "zero_damaged_pages", keep: off },
    { name: "ignore_checksum_failure", keep: off },
    // A file may say what the source's next start would make of it: "minimal" does not start with WAL senders.
    { name: "wal_level", keep: oneOf("replica", "logical", "archive", "hot_standby") },
    // What the cluster writes from now on can still be imported: nothing else keeps it until there is a slot.
    { name: "wal_keep_size", value: "1GB" },
    { name: "max_connections", value: ({ needs }) => String(needs.limits.maxConnections) },
    { name: "max_worker_processes", value: ({ needs }) => String(needs.limits.maxWorkerProcesses) },
    { name: "max_wal_senders", value: ({ needs }) => String(needs.limits.maxWalSenders) },
    { name: "max_prepared_transactions", value: ({ needs }) => String(needs.limits.maxPreparedXacts) },
    { name: "max_locks_per_transaction", value: ({ needs }) => String(needs.limits.maxLocksPerXact) },
    // More than the limit of the history leaves would not start.
    { name: "superuser_reserved_connections", keep: belowHalfOfConnections },
    { name: "reserved_connections", since: 16, keep: belowHalfOfConnections },
    // Up to 17 it limits replication origins too, and recovery ends where there are more.
    { name: "max_replication_slots", value: ({ maxReplicationSlots }) => String(maxReplicationSlots) },
    {
      name: "max_active_replication_origins",
      since: 18,
      value: ({ maxReplicationSlots }) => String(maxReplicationSlots),
    },
    // Switched off at the end of recovery, it takes all timestamps with it.
    {
      name: "track_commit_timestamp",
      value: ({ needs }) => (needs.trackCommitTimestamp ? "on" : undefined),
      keep: () => true,
    },
    { name: "allow_in_place_tablespaces", value: inPlaceTablespaces, keep: () => true },
  ]),
  ...group("outward", [
    { name: "archive_command" },
    { name: "archive_library", since: 15 },
    { name: "archive_timeout", keep: oneOf("0") },
    // Subscriptions would take what their publishers keep for the source, and more than the source gets later.
    { name: "max_logical_replication_workers", value: "0" },
    { name: "sync_replication_slots", since: 17, keep: off },
    { name: "synchronized_standby_slots", since: 17 },
    { name: "synchronous_standby_names" },
    // Their background workers act on a schedule, such as pg_cron's jobs.
    { name: "shared_preload_libraries" },
    { name: "session_preload_libraries" },
    { name: "local_preload_libraries" },
    { name: "oauth_validator_libraries", since: 18 },
    { name: "gss_accept_delegation", since: 16, keep: off },
    { name: "log_hostname", keep: off },
    { name: "log_destination", keep: (value) => /^\s*(?:stderr|csvlog|jsonlog|\s|,)+$/i.test(value) },
  ]),
  ...group("inward", [
    { name: "listen_addresses", value: "" },
    { name: "port", value: ({ port }) => String(port) },
    { name: "unix_socket_directories", value: SOCKET_DIRECTORY },
    { name: "unix_socket_permissions", value: "0700" },
    { name: "unix_socket_group" },
    { name: "bonjour", keep: off },
    { name: "bonjour_name" },
    { name: "cluster_name" },
    // Whether it starts with TLS depends on its OpenSSL and on a passphrase, and nobody reaches it by TCP.
    { name: "ssl", keep: off },
    // It makes other names of all roles.
    { name: "db_user_namespace", until: 16, keep: off },
  ]),
  ...group("path", [
    { name: "hba_file" },
    { name: "ident_file" },
    { name: "external_pid_file" },
    { name: "krb_server_keyfile" },
    { name: "stats_temp_directory", until: 14, keep: oneOf("pg_stat_tmp") },
    { name: "log_directory", keep: inDataDirectory },
    { name: "log_filename", keep: (value) => !/[/\\]/.test(value) },
    { name: "ssl_ca_file", keep: inDataDirectory },
    { name: "ssl_cert_file", keep: inDataDirectory },
    { name: "ssl_crl_dir", keep: inDataDirectory },
    { name: "ssl_crl_file", keep: inDataDirectory },
    { name: "ssl_dh_params_file", keep: inDataDirectory },
    { name: "ssl_key_file", keep: inDataDirectory },
    { name: "ssl_passphrase_command" },
    { name: "dynamic_library_path", keep: oneOf("$libdir") },
    { name: "extension_control_path", since: 18, keep: oneOf("$system") },
    { name: "jit_provider", keep: oneOf("llvmjit") },
    { name: "timezone_abbreviations", keep: oneOf("default", "australia", "india") },
  ]),
  ...group("host", [
    { name: "shared_buffers", keep: fitsMemory(1 / 4, PAGE) },
    { name: "min_dynamic_shared_memory", keep: fitsMemory(1 / 16, MB) },
    { name: "wal_buffers", keep: fitsMemory(1 / 64, PAGE) },
    { name: "wal_decode_buffer_size", since: 15, keep: fitsMemory(1 / 64, 1) },
    { name: "commit_timestamp_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "multixact_member_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "multixact_offset_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "notify_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "serializable_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "subtransaction_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    { name: "transaction_buffers", since: 17, keep: fitsMemory(1 / 64, PAGE) },
    // Memory for each process that there may be.
    { name: "track_activity_query_size", keep: atMostBytes(64 * KB, 1) },
    { name: "max_pred_locks_per_transaction", keep: atMost(1024) },
    { name: "autovacuum_max_workers", keep: atMost(64) },
    { name: "autovacuum_worker_slots", since: 18, keep: atMost(64) },
    { name: "io_max_concurrency", since: 18, keep: atMost(64) },
    // Memory that is not taken at the start, and ends the copy when it is.
    { name: "work_mem", keep: fitsMemory(1 / 4, KB) },
    { name: "maintenance_work_mem", keep: fitsMemory(1 / 4, KB) },
    { name: "autovacuum_work_mem", keep: fitsMemory(1 / 4, KB) },
    { name: "logical_decoding_work_mem", keep: fitsMemory(1 / 4, KB) },
    { name: "temp_buffers", keep: fitsMemory(1 / 4, PAGE) },
    // Larger ones need another stack limit than most systems give.
    { name: "max_stack_depth", keep: atMostBytes(2 * MB, KB) },
    { name: "max_wal_size", keep: fitsDisk(1 / 4, MB) },
    { name: "min_wal_size", keep: fitsDisk(1 / 8, MB) },
    { name: "huge_pages", keep: oneOf("try", "off", "false", "no", "0") },
    { name: "huge_page_size", keep: oneOf("0") },
    { name: "shared_memory_type", keep: oneOf("mmap") },
    { name: "dynamic_shared_memory_type", keep: oneOf("posix") },
    { name: "io_method", since: 18, keep: oneOf("worker", "sync") },
    { name: "file_copy_method", since: 18, keep: oneOf("copy") },
    { name: "debug_io_direct", since: 16 },
    { name: "wal_sync_method", keep: oneOf("fdatasync", "fsync") },
    { name: "recovery_init_sync_method", keep: oneOf("fsync") },
    { name: "recovery_prefetch", since: 15, keep: oneOf("try", "off", "false", "no", "0") },
  ]),
];

const BY_NAME = new Map(TREATED_SETTINGS.map((setting) => [setting.name, setting]));

/** What the table says of a setting; undefined: it comes along as it is. */
export function treatedSetting(name: string): TreatedSetting | undefined {
  return BY_NAME.get(name);
}

function group(name: SettingGroup, settings: Omit<TreatedSetting, "group">[]): TreatedSetting[] {
  return settings.map((setting) => ({ ...setting, group: name }));
}

/** 14.4 and earlier do not know it, and would not start. */
function inPlaceTablespaces({ majorVersion, hasTablespaces }: ExportFacts): string | undefined {
  return majorVersion >= 15 || hasTablespaces ? "on" : undefined;
}

function belowHalfOfConnections(value: string, { needs }: ExportFacts): boolean {
  return Number(value) < needs.limits.maxConnections / 2;
}
