import type { ControlFile } from "../control-file.js";
import { type ConfLine, formatConfLine } from "./conf-line.js";

const BEGIN = "# --- written by neon export: begin ---";
const END = "# --- written by neon export: end ---";

/** What the settings of an exported cluster depend on. */
export interface RecoverySettingsOptions {
  readonly majorVersion: number;
  readonly control: ControlFile;
  /** Whether the cluster has tablespaces, or its WAL makes some. */
  readonly hasTablespaces: boolean;
  /** Leave what names things of the source's host. */
  readonly keepConfig: boolean;
}

/** Settings that make recovery end at the head, on a timeline of its own, and reach nothing of the source. */
export function recoverySettings(options: RecoverySettingsOptions): ConfLine[] {
  const { majorVersion, control, hasTablespaces, keepConfig } = options;
  const settings: Record<string, string> = {
    // Recovery ends at the end of the WAL that is there: a recovery target stops one record early or late.
    restore_command: "false",
    recovery_target_timeline: "latest",
    recovery_target: "",
    recovery_target_lsn: "",
    recovery_target_name: "",
    recovery_target_time: "",
    recovery_target_xid: "",
    recovery_min_apply_delay: "0",
    recovery_end_command: "",
    archive_cleanup_command: "",
    primary_conninfo: "",
    primary_slot_name: "",
    archive_mode: "off",
    hot_standby: "off",
    // What the cluster writes from now on can still be imported: nothing else keeps it until there is a slot.
    wal_keep_size: "1GB",
    max_connections: String(control.maxConnections),
    max_worker_processes: String(control.maxWorkerProcesses),
    max_wal_senders: String(control.maxWalSenders),
    max_prepared_transactions: String(control.maxPreparedXacts),
    max_locks_per_transaction: String(control.maxLocksPerXact),
  };
  // 14.4 and earlier do not know the setting and would not start.
  if (majorVersion >= 15 || hasTablespaces) settings.allow_in_place_tablespaces = "on";
  if (!keepConfig) {
    settings.archive_command = "";
    if (majorVersion >= 15) settings.archive_library = "";
    settings.synchronous_standby_names = "";
    if (majorVersion >= 17) settings.synchronized_standby_slots = "";
    settings.shared_preload_libraries = "";
    settings.session_preload_libraries = "";
    settings.local_preload_libraries = "";
  }
  return Object.entries(settings).map(([name, value]) => ({ name, value }));
}

/** Puts the settings at the end of postgresql.auto.conf, where they win, instead of the ones of an earlier export. */
export function withRecoverySettings(lines: readonly string[], settings: readonly ConfLine[]): string[] {
  const begin = lines.indexOf(BEGIN);
  const end = lines.indexOf(END, begin);
  const kept = begin < 0 || end < 0 ? [...lines] : lines.toSpliced(begin, end - begin + 1);
  while (kept.at(-1) === "") kept.pop();
  return [...kept, BEGIN, ...settings.map(formatConfLine), END, ""];
}
