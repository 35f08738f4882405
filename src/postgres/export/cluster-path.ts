import { NeonError } from "../../errors.js";
import { quotePath } from "../byte-path.js";
import { isOfTablespace } from "../tablespace-path.js";

/** What Linux takes as a path and as a name (limits.h), in bytes. */
const MAX_PATH_BYTES = 4095;
const MAX_PART_BYTES = 255;

// What Postgres makes anew at each start, what export itself writes, and what would make the exported cluster follow
// the source: signal files, the map of the source's own tablespace directories, replication slots.
const LEFT_OUT = new Set([
  "backup_manifest",
  "current_logfiles",
  "postmaster.opts",
  "postmaster.pid",
  "recovery.conf",
  "recovery.signal",
  "standby.signal",
  "tablespace_map",
]);
const CONTENTS_LEFT_OUT = new Set([
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
  "pg_wal",
]);

/** Names that must not appear in an export: on a file system that ignores case others can turn into them. */
export const SIGNAL_FILES: readonly string[] = ["recovery.conf", "standby.signal"];

/**
 * Judges a path (see byte-path.ts) that a branch gives, which nobody may trust: whether export writes it. False: it is left
 * out, since Postgres or export itself makes it, or since it is nothing of a tablespace's.
 *
 * Throws XX001 for every path that is not a relative one below the data directory. Names are bytes: any are taken.
 */
export function isExportedPath(path: string): boolean {
  const parts = path.split("/");
  if (path.length > MAX_PATH_BYTES || !parts.every(isName)) {
    throw new NeonError(
      "data_corrupted",
      `the branch holds a path that cannot be exported: ${quotePath(path)}`,
      { hint: "Nothing was written. A path of a branch lies below the data directory.", party: "source" },
    );
  }
  const [top] = parts;
  if (LEFT_OUT.has(top)) return false;
  if (parts.length === 1) return true;
  if (top === "pg_tblspc") return isOfTablespace(parts);
  return !CONTENTS_LEFT_OUT.has(top);
}

function isName(part: string): boolean {
  return (
    part !== "" && part !== "." && part !== ".." && !part.includes("\0") && part.length <= MAX_PART_BYTES
  );
}
