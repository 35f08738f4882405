import { NeonError } from "../../errors.js";
import { formatLsn } from "../../lsn.js";
import type { Branch, Store } from "../../timeline/store.js";
import type { ControlFile } from "../control-file.js";
import { ClusterWriter } from "./cluster-writer.js";
import { writeConfiguration } from "./configuration.js";
import { groupAccessMode } from "./group-access.js";
import { readAhead } from "./read-ahead.js";
import { TargetDirectory } from "./target-directory.js";

const FIRST_MAJOR_VERSION = 14;
const LAST_MAJOR_VERSION = 18;

/** What {@link exportBranch} is told. */
export interface ExportOptions {
  readonly store: Store;
  readonly branch: Branch;
  /** The data directory to make; absent or empty before. */
  readonly directory: string;
  /** Keep settings that name things of the source's host, such as archive_command. */
  readonly keepConfig?: boolean;
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
  const majorVersion = Math.floor(branch.start.serverVersionNum / 10000);
  assertKnown(branch, majorVersion);
  const target = await TargetDirectory.create(options.directory);
  try {
    const { bytes, notes } = await fill(target.path, options, majorVersion);
    options.onProgress?.({ phase: "sync", bytes: branch.bytes, totalBytes: branch.bytes });
    await target.publish(signal, branch.start.groupAccess ? groupAccessMode : undefined);
    return { bytes, majorVersion, notes };
  } catch (error) {
    await target.discard();
    if (signal?.aborted && error === signal.reason && !(error instanceof NeonError)) {
      throw new NeonError("query_canceled", "the export was canceled", { cause: error });
    }
    throw NeonError.from(error);
  }
}

async function fill(
  root: string,
  options: ExportOptions,
  majorVersion: number,
): Promise<{ bytes: number; notes: string[] }> {
  const { branch, keepConfig = false } = options;
  const cluster = new ClusterWriter(root, branch, majorVersion);
  const control = await write(cluster, options).finally(() => cluster.close());
  const { bytes, hasTablespaces } = cluster;
  const settings = await writeConfiguration(root, { majorVersion, control, hasTablespaces, keepConfig });
  const notes = [
    `recovery ends at ${formatLsn(branch.head.lsn)}; then the cluster goes on with a Postgres timeline of its own`,
    ...settings,
  ];
  if (hasTablespaces) notes.push(...tablespaceNotes(majorVersion));
  return { bytes, notes };
}

async function write(cluster: ClusterWriter, options: ExportOptions): Promise<ControlFile> {
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

function assertKnown(branch: Branch, majorVersion: number): void {
  if (majorVersion >= FIRST_MAJOR_VERSION && majorVersion <= LAST_MAJOR_VERSION) return;
  throw new NeonError("feature_not_supported", `branch "${branch.name}" is of Postgres ${majorVersion}`, {
    hint: `neon exports clusters of Postgres ${FIRST_MAJOR_VERSION} to ${LAST_MAJOR_VERSION}.`,
  });
}
