import { NeonError } from "../../errors.js";
import { formatLsn } from "../../lsn.js";
import type { Branch, Store } from "../../timeline/store.js";
import { installedPostgres } from "../installed-postgres.js";
import { ClusterWriter } from "./cluster-writer.js";
import { writeConfiguration } from "./configuration.js";
import { groupAccessMode } from "./group-access.js";
import { readAhead } from "./read-ahead.js";
import type { RecoveryNeeds } from "./recovery-needs.js";
import { startCommands } from "./start-commands.js";
import { TargetDirectory } from "./target-directory.js";

const COLLATION_NOTE =
  "where another C library or ICU sorts text than on the source's host, indexes on text are wrong until REINDEX";

/** What {@link exportBranch} is told. */
export interface ExportOptions {
  readonly store: Store;
  readonly branch: Branch;
  /** The data directory to make; absent or empty before. */
  readonly directory: string;
  /** Keep the configuration but for what recovery depends on: archive_command, listen_addresses, libraries and all. */
  readonly keepConfig?: boolean;
  /** Where this host has the programs of the branch's Postgres; unless given, they are looked for. */
  readonly binaries?: string;
  readonly signal?: AbortSignal;
  /** Bytes of the branch at rest, as they are read. */
  onProgress?(progress: { phase: string; bytes: number; totalBytes?: number }): void;
}

/** What an export did. */
export interface ExportResult {
  /** Bytes written. */
  readonly bytes: number;
  /** Major version of the Postgres that starts on the directory. */
  readonly majorVersion: number;
  /** What was changed, in words. */
  readonly notes: string[];
  /** Lines for a shell of this host that start the cluster, wait until it takes writes, and log in. */
  readonly commands: string[];
  /** A superuser to log in as. */
  readonly role: string;
}

/**
 * Writes a branch as a data directory that the stock Postgres of its major version starts on. It recovers up to the
 * head, and goes on from there on a Postgres timeline of its own.
 *
 * The directory appears when it is whole and durable; on failure or abort nothing stays. Nothing outside it is
 * touched, whatever the branch says. Files belong to the calling user, with modes 0600 and 0700, or 0640 and 0750 where
 * the source let its group read them. Throws XX001 for a damaged branch, 57014 if aborted without a reason of its own,
 * and what the operating system says.
 */
export async function exportBranch(options: ExportOptions): Promise<ExportResult> {
  const { branch, signal } = options;
  const target = await TargetDirectory.create(options.directory);
  try {
    const result = await fill(target, options);
    options.onProgress?.({ phase: "sync", bytes: branch.bytes, totalBytes: branch.bytes });
    await target.publish(signal, branch.start.groupAccess ? groupAccessMode : undefined);
    return result;
  } catch (error) {
    await target.discard();
    if (signal?.aborted && error === signal.reason && !(error instanceof NeonError)) {
      throw new NeonError("query_canceled", "the export was canceled", { cause: error });
    }
    throw NeonError.from(error);
  }
}

async function fill(target: TargetDirectory, options: ExportOptions): Promise<ExportResult> {
  const { branch, keepConfig = false } = options;
  const root = target.path;
  const cluster = new ClusterWriter(root, branch);
  const needs = await write(cluster, options).finally(() => cluster.close());
  const { bytes, hasTablespaces, majorVersion } = cluster;
  const binaries = options.binaries ?? (await installedPostgres(majorVersion));
  const configuration = { majorVersion, needs, hasTablespaces, keepConfig, binaries };
  const { port, role, ...written } = await writeConfiguration(root, configuration);
  const notes = [
    `recovery ends at ${formatLsn(branch.head.lsn)}; then the cluster goes on with a Postgres timeline of its own`,
    ...written.notes,
    ...(hasTablespaces ? tablespaceNotes(majorVersion) : []),
    COLLATION_NOTE,
  ];
  if (binaries === undefined) {
    notes.push(`no PostgreSQL ${majorVersion} was found here: the commands need its bin directory in PATH`);
  }
  const ownedByRoot = process.getuid?.() === 0;
  if (ownedByRoot) {
    notes.push(
      "the page server runs as root, and Postgres does not: the user postgres gets the files, and has to reach them",
    );
  }
  const commands = startCommands({ directory: target.place, binaries, port, role, keepConfig, ownedByRoot });
  return { bytes, majorVersion, notes, commands, role };
}

async function write(cluster: ClusterWriter, options: ExportOptions): Promise<RecoveryNeeds> {
  const { store, branch, signal } = options;
  let bytesRead = 0;
  for await (const { header, records } of readAhead(store.readFrames(branch))) {
    for (const record of records) {
      signal?.throwIfAborted();
      await cluster.write(record);
    }
    bytesRead += header.storedLength;
    options.onProgress?.({ phase: "export", bytes: bytesRead, totalBytes: branch.bytes });
  }
  return cluster.finish();
}

function tablespaceNotes(majorVersion: number): string[] {
  const notes = ["tablespaces: each is a directory in pg_tblspc (allow_in_place_tablespaces = on)"];
  if (majorVersion === 14) notes.push("tablespaces in the data directory need Postgres 14.5 or later");
  return notes;
}
