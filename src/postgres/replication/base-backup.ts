import { NeonError } from "../../errors.js";
import { type Lsn, parseLsn } from "../../lsn.js";
import type { Connection, ResultSet } from "../../pgwire/connection.js";
import { onlyRow, requireValue } from "./only-row.js";

/** A tablespace other than pg_default and pg_global. */
export interface BackupTablespace {
  readonly oid: number;
  /** Its directory on the server's host. */
  readonly location: string;
}

/** Where a base backup begins or ends. */
export interface BackupPosition {
  readonly lsn: Lsn;
  /** Postgres timeline id. */
  readonly timelineId: number;
}

/** A step of a base backup. */
export type BaseBackupEvent =
  | {
      readonly type: "start";
      readonly position: BackupPosition;
      readonly tablespaces: readonly BackupTablespace[];
      /** Estimated bytes of all archives. */
      readonly totalBytes: number;
    }
  /** A tar archive begins: of a tablespace, or of the data directory if `tablespace` is absent. */
  | { readonly type: "archive"; readonly tablespace: BackupTablespace | undefined }
  /** Bytes of the archive. They belong to the caller. */
  | { readonly type: "data"; readonly data: Buffer }
  | { readonly type: "stop"; readonly position: BackupPosition };

/**
 * BASE_BACKUP (manual: 55.4): fast checkpoint, no manifest, not waiting for the archive, which would hang while
 * archive_command fails. With TABLESPACE_MAP the tablespaces' symlinks, whose length tar limits, stay out of the archive;
 * before 16 it would leave in-place tablespaces out of the backup.
 */
export function formatBaseBackup(label: string, majorVersion: number): string {
  if (majorVersion < 15) return `BASE_BACKUP LABEL '${label}' PROGRESS FAST NOWAIT`;
  const options = [`LABEL '${label}'`, "PROGRESS", "CHECKPOINT 'fast'", "WAIT false", "MANIFEST 'no'"];
  if (majorVersion >= 16) options.push("TABLESPACE_MAP");
  return `BASE_BACKUP (${options.join(", ")})`;
}

/**
 * Runs BASE_BACKUP: start, then for each archive its data, then stop. Up to 14 each archive is a CopyOut of its own and
 * lacks tar's final zero blocks; from 15 on all are in one CopyOut, whose messages begin with their type.
 */
export async function* baseBackup(
  connection: Connection,
  options: { label: string; majorVersion: number },
): AsyncGenerator<BaseBackupEvent> {
  const typed = options.majorVersion >= 15;
  const results: ResultSet[] = [];
  let archives: (BackupTablespace | undefined)[] = [];
  let next = 0;
  for await (const event of connection.copyOut(formatBaseBackup(options.label, options.majorVersion))) {
    if (event.type === "data") {
      if (!typed) yield event;
      else {
        const content = readTyped(event.data, archives);
        if (content !== undefined) yield content;
      }
    } else if (event.type === "rows") {
      results.push(event.result);
      if (results.length === 2) {
        archives = archivesOf(event.result);
        yield {
          type: "start",
          position: position(results[0]),
          tablespaces: archives.filter((tablespace) => tablespace !== undefined),
          totalBytes: event.result.rows.reduce((sum, row) => sum + Number(row[2] ?? 0) * 1024, 0),
        };
      }
    } else if (event.type === "copyBegin" && !typed) {
      if (next >= archives.length) throw unexpected("an archive of no tablespace");
      yield { type: "archive", tablespace: archives[next++] };
    }
  }
  if (results.length < 3) throw unexpected("no stop position");
  yield { type: "stop", position: position(results[2]) };
}

const NEW_ARCHIVE = 0x6e; // 'n'
const ARCHIVE_DATA = 0x64; // 'd'
const PROGRESS = 0x70; // 'p'

/** A CopyData of 15 and later; undefined for a progress report. */
function readTyped(message: Buffer, archives: (BackupTablespace | undefined)[]): BaseBackupEvent | undefined {
  switch (message[0]) {
    case ARCHIVE_DATA:
      return { type: "data", data: message.subarray(1) };
    case PROGRESS:
      return undefined;
    case NEW_ARCHIVE: {
      const name = message.toString("utf8", 1, message.indexOf(0, 1));
      if (name === "base.tar") return { type: "archive", tablespace: undefined };
      const tablespace = archives.find(
        (candidate) => candidate !== undefined && name === `${candidate.oid}.tar`,
      );
      if (tablespace === undefined) throw unexpected(`the archive "${name}"`);
      return { type: "archive", tablespace };
    }
    default:
      throw unexpected(`a message of type ${message[0]}`);
  }
}

/** The rows of the second result set: spcoid, spclocation, size in kB; NULL for the data directory, which comes last. */
function archivesOf(result: ResultSet): (BackupTablespace | undefined)[] {
  return result.rows.map(([oid, location]) =>
    oid === null || oid === undefined
      ? undefined
      : { oid: Number(oid), location: requireValue(location, "BASE_BACKUP") },
  );
}

function position(result: ResultSet | undefined): BackupPosition {
  const [lsn, timelineId] = onlyRow(result, "BASE_BACKUP", 2);
  return {
    lsn: parseLsn(requireValue(lsn, "BASE_BACKUP")),
    timelineId: Number(requireValue(timelineId, "BASE_BACKUP")),
  };
}

function unexpected(what: string): NeonError {
  return new NeonError("protocol_violation", `the server's answer to BASE_BACKUP holds ${what}`, {
    party: "source",
  });
}
