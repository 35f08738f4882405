import type { ClientAuthentication } from "./client-authentication.js";
import type { ConfLine } from "./conf-line.js";
import { SOCKET_DIRECTORY } from "./settings-table.js";
import type { ExportFacts, SettingGroup } from "./treated-setting.js";

/** A line of the source's configuration that was taken out. */
export interface TakenOut {
  /** The file, relative to the data directory. */
  readonly path: string;
  /** The setting, or `include`. */
  readonly name: string;
  readonly group: SettingGroup;
}

/** What export did to a configuration. */
export interface ConfigurationChanges {
  readonly facts: ExportFacts;
  readonly keepConfig: boolean;
  /** Whether the data directory held a postgresql.conf. */
  readonly hadConfiguration: boolean;
  readonly source: readonly ConfLine[];
  /** What was set, by file. */
  readonly set: ReadonlyMap<string, readonly ConfLine[]>;
  readonly takenOut: readonly TakenOut[];
  /** Settings, or places of lines, that this host's Postgres refuses. */
  readonly refused: readonly string[];
  /** Undefined if pg_hba.conf was kept. */
  readonly authentication: ClientAuthentication | undefined;
}

const REASONS: Record<SettingGroup, string> = {
  recovery: "because recovery up to the head depends on it",
  outward: "so that the copy reaches no other host and does nothing on a schedule",
  inward: "so that the copy is not reached, nor taken for the source",
  path: "because it names what lies on the source's host",
  host: "because it is made for the source's host",
};

/** Says what export did to a configuration, and how to undo it. Values that the source gave are never among it. */
export function configurationNotes(changes: ConfigurationChanges): string[] {
  const { facts, keepConfig } = changes;
  const notes = [recoveryNote(changes)];
  if (!changes.hadConfiguration) {
    notes.push(
      "the source keeps postgresql.conf outside its data directory: every setting that is not named here has its default",
    );
  }
  if (!keepConfig) {
    notes.push(
      `it listens only on a socket in ${SOCKET_DIRECTORY}/ of the data directory, whose owner is let in as any role; ` +
        `listen_addresses = 'localhost' opens port ${facts.port} to whom pg_hba.conf lets in there`,
      "subscriptions do not run, because they would take from the publishers what those keep for the source; " +
        "max_logical_replication_workers = 4 starts them",
    );
  }
  // What is set instead for the sake of recovery was named already.
  const set = new Set(changes.set.get("postgresql.auto.conf")?.map(({ name }) => name));
  for (const group of Object.keys(REASONS) as SettingGroup[]) {
    const names = changes.takenOut.filter((line) => line.group === group && !set.has(line.name)).map(placed);
    if (names.length > 0) notes.push(`taken out, ${REASONS[group]}: ${unique(names).join(", ")}`);
  }
  if (changes.refused.length > 0) {
    const done = keepConfig ? "kept, but the PostgreSQL of this host does not start with it" : "taken out";
    const reason = keepConfig ? "" : ", because the PostgreSQL of this host does not start with it";
    notes.push(`${done}${reason}: ${changes.refused.join(", ")}`);
    if (changes.refused.some((name) => name.startsWith("lc_"))) {
      notes.push(
        "a database with a locale that this host lacks opens only when the system has got that locale",
      );
    }
  }
  const lines = changes.authentication?.takenOut ?? 0;
  if (lines > 0) {
    notes.push(`pg_hba.conf: ${lines} lines that ask others, or name other files, were taken out`);
  }
  if (!keepConfig && changes.takenOut.length + changes.refused.length + lines > 0) {
    notes.push(
      `what was taken out stands where it was, behind "# taken out by neon export:"; ` +
        "to turn a setting on again, set it in the last lines of postgresql.conf, or export with --keep-config",
    );
  }
  const { extensionResourceManagers: ids } = facts.needs;
  if (ids.length > 0) {
    notes.push(
      `the WAL holds records of an extension (resource manager ${ids.join(", ")}): before the first start, put its ` +
        "library into shared_preload_libraries again",
    );
  }
  return notes;
}

/** The settings that recovery depends on and that the source has otherwise, with the values that are not the source's. */
function recoveryNote({ source, set }: ConfigurationChanges): string {
  const before = new Map(source.map(({ name, value }) => [name, value]));
  const changed = (set.get("postgresql.auto.conf") ?? [])
    .filter(({ name, value }) => before.has(name) && before.get(name) !== value)
    .map(({ name, value }) => `${name} = ${value}`);
  const text = "postgresql.auto.conf ends with what recovery up to the head needs";
  return changed.length > 0 ? `${text}; changed: ${changed.join(", ")}` : text;
}

function placed({ path, name }: TakenOut): string {
  return path === "postgresql.conf" || path === "postgresql.auto.conf" ? name : `${name} (${path})`;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
