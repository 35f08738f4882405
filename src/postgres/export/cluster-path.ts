import { NeonError } from "../../errors.js";

const MAX_PATH_BYTES = 1000;
const MAX_PART_BYTES = 255;
// Letters, marks, digits, punctuation, symbols and spaces: no control character, no NUL, no lone surrogate.
const PART = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u;
const TABLESPACE_PATH = /^pg_tblspc(?:\/[1-9]\d{0,9}(?:\/PG_\d{1,3}_\d{1,10}(?:\/.+)?)?)?$/;

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

/**
 * Judges a path that a branch gives, which nobody may trust: whether export writes it. False: it is left out, since
 * Postgres or export itself makes it.
 *
 * Throws XX001 for every path that is not a plain relative path below the data directory.
 */
export function isExportedPath(path: string): boolean {
  const parts = path.split("/");
  // Names are compared as a file system that ignores case would.
  const [top] = parts.map((part) => part.toLowerCase());
  const wellFormed =
    Buffer.byteLength(path) <= MAX_PATH_BYTES &&
    parts.every(isPlainName) &&
    (top !== "pg_tblspc" || TABLESPACE_PATH.test(path));
  if (!wellFormed) {
    throw new NeonError(
      "data_corrupted",
      `the branch holds a path that cannot be exported: ${printable(path)}`,
      {
        hint: "Nothing was written. A path of a branch lies below the data directory.",
        party: "source",
      },
    );
  }
  if (parts.length === 1) return !LEFT_OUT.has(top);
  return !CONTENTS_LEFT_OUT.has(top);
}

function isPlainName(part: string): boolean {
  if (part === "." || part === ".." || part.includes("\\")) return false;
  return PART.test(part) && Buffer.byteLength(part) <= MAX_PART_BYTES;
}

/** Only what a terminal takes as it is. */
function printable(path: string): string {
  return JSON.stringify(path.slice(0, 100)).replace(/[^ -~]/g, "?");
}
