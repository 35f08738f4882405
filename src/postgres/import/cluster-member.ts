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
