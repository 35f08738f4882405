import { NeonError } from "../errors.js";
import { MAX_CLUSTER_PATH_BYTES } from "../limits.js";
import { quotePath } from "./byte-path.js";

/** What becomes of a file or directory of a data directory. */
export type PathFate =
  | { readonly kept: true }
  | {
      readonly kept: false;
      /** The highest path above it that is left out with all that is below. */
      readonly top: string;
      /** What it is, in words that go on from "it"; undefined for what Postgres or export makes anew. */
      readonly why: string | undefined;
    };

// What Postgres makes anew at each start, what export itself writes, and what would make the exported cluster follow
// the source: signal files, the map of the source's own tablespace directories.
const REMADE = new Set([
  "backup_manifest",
  "current_logfiles",
  "postmaster.opts",
  "postmaster.pid",
  "recovery.signal",
  "standby.signal",
  "tablespace_map",
]);

/** The source's own WAL, slots and what lasts as long as its process. */
const CONTENTS_REMADE = new Set([
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
  "pg_wal",
]);

/** Files that an export always has: a directory of that name would be in their way. */
const FILES = new Set([
  "PG_VERSION",
  "backup_label",
  "pg_hba.conf",
  "pg_ident.conf",
  "postgresql.auto.conf",
  "postgresql.conf",
]);

const TABLESPACE = /^[1-9]\d{0,9}$/;
const TABLESPACE_VERSION = /^PG_(\d{1,3})_\d{1,10}$/;

/** A repository's directory, and what somebody made of one before changing it: .neon.bak, .neon-old. */
const REPOSITORY = /^\.neon(?![a-z0-9])/i;

/** Recovery opens whatever is called as a database's directory is. */
const NO_DATABASE = "is a file where Postgres has directories of databases";

const KEPT: PathFate = { kept: true };

/**
 * Judges a path (see byte-path.ts) of a base backup or of a branch, which nobody may trust: what the import takes is what the export writes,
 * because both ask here. Every name that POSIX allows is kept, unless it is in Postgres's way, or ours.
 *
 * Throws XX001 for a path that is not a plain relative one below the data directory.
 */
export function judgePath(path: string, kind: "file" | "directory", majorVersion: number): PathFate {
  const parts = path.split("/");
  if (path.length > MAX_CLUSTER_PATH_BYTES || !parts.every(isName)) throw notExportable(path);
  const [top, second, third] = parts;
  const isDirectory = (depth: number) => depth < parts.length || kind === "directory";
  const isFileForDatabase = (depth: number) => !isDirectory(depth) && /^\d+$/.test(parts[depth - 1]);
  const leftOut = (depth: number, why?: string): PathFate => ({
    kept: false,
    top: parts.slice(0, depth).join("/"),
    why,
  });
  const repository = parts.findIndex((part, index) => REPOSITORY.test(part) && isDirectory(index + 1));
  if (repository >= 0) return leftOut(repository + 1, "is a neon repository");
  if (REMADE.has(top)) return leftOut(1);
  if (top === "recovery.conf")
    return leftOut(1, "is in the way of Postgres 12 and later, which do not start beside it");
  if (FILES.has(top) && isDirectory(1)) return leftOut(1, "is a directory where a copy has a file");
  if (CONTENTS_REMADE.has(top) && second !== undefined) return leftOut(2);
  if (top === "base" && isFileForDatabase(2)) return leftOut(2, NO_DATABASE);
  if (top !== "pg_tblspc" || second === undefined) return KEPT;
  if (!TABLESPACE.test(second) || !isDirectory(2)) return leftOut(2, "is no tablespace");
  if (third === undefined) return KEPT;
  const version = TABLESPACE_VERSION.exec(third)?.[1];
  if (version === undefined || !isDirectory(3)) return leftOut(3, "is no part of the tablespace");
  if (Number(version) !== majorVersion) return leftOut(3, "belongs to a Postgres of another version");
  return isFileForDatabase(4) ? leftOut(4, NO_DATABASE) : KEPT;
}

/**
 * Whether export writes the file or directory at a path of a branch; if not, Postgres or export itself makes it. Throws
 * XX001 for every path that an import would not have taken.
 */
export function isExportedPath(path: string, kind: "file" | "directory", majorVersion: number): boolean {
  const fate = judgePath(path, kind, majorVersion);
  if (!fate.kept && fate.why !== undefined) throw notExportable(path);
  return fate.kept;
}

function notExportable(path: string): NeonError {
  return new NeonError(
    "data_corrupted",
    `the branch holds a path that cannot be exported: ${quotePath(path)}`,
    {
      hint: "Nothing was written. A path of a branch lies below the data directory, and is not in Postgres's way.",
      party: "source",
    },
  );
}

function isName(part: string): boolean {
  return part !== "" && part !== "." && part !== ".." && !part.includes("\0");
}
