import { isOfTablespace } from "../tablespace-path.js";

/** Directories of a data directory that Postgres makes (manual: 73.1), and whose contents a base backup brings. */
const DIRECTORIES =
  "base|global|pg_commit_ts|pg_logical(?:/(?:mappings|snapshots))?|pg_multixact(?:/(?:members|offsets))?|pg_stat|pg_tblspc|pg_twophase|pg_xact";
const RELATION_FILE = "[1-9]\\d*(?:_(?:fsm|vm|init))?(?:\\.[1-9]\\d*)?";
const DATABASE_FILE = `${RELATION_FILE}|PG_VERSION|pg_filenode\\.map`;

/** What Postgres makes there, by the names that it gives. Configuration is not among it: it may lie elsewhere. */
const MEMBER = new RegExp(
  `^(?:${[
    DIRECTORIES,
    "PG_VERSION",
    `base/[1-9]\\d*(?:/(?:${DATABASE_FILE}))?`,
    `global/(?:${RELATION_FILE}|pg_control|pg_filenode\\.map)`,
    "(?:pg_xact|pg_commit_ts|pg_multixact/(?:members|offsets))/[0-9A-F]+",
    "pg_twophase/[0-9A-F]+",
    "pg_logical/(?:replorigin_checkpoint|(?:mappings|snapshots)/[^/]+)",
    `pg_tblspc/[1-9]\\d*/PG_[^/]+(?:/[1-9]\\d*(?:/(?:${DATABASE_FILE}))?)?`,
  ].join("|")})$`,
);

/** Whether a path of a data directory is one that Postgres itself makes, and cannot do without. */
export function isClusterMember(path: string): boolean {
  return MEMBER.test(path);
}

/** What is nobody's business but this host's: the directory of a repository, with the passwords' verifiers of its users. */
const REPOSITORY = ".neon";

/**
 * Of a path in a base backup the file or directory that is not the cluster's and does not come along, with all that is
 * below it: a repository of ours, and what lies in `pg_tblspc` and is no tablespace. Undefined for every other path: what
 * people have put into a data directory stays there.
 */
export function foreignPart(path: string, kind: "file" | "directory"): string | undefined {
  const parts = path.split("/");
  const repository = parts.indexOf(REPOSITORY);
  if (repository !== -1) return parts.slice(0, repository + 1).join("/");
  if (parts[0] !== "pg_tblspc" || parts.length === 1) return undefined;
  // A tablespace's files lie in the directory of a version.
  if (isOfTablespace(parts) && (kind === "directory" || parts.length > 3)) return undefined;
  return parts.slice(0, isOfTablespace(parts.slice(0, 2)) && parts.length > 2 ? 3 : 2).join("/");
}
