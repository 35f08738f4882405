const ALWAYS = [
  "base",
  "global",
  "pg_commit_ts",
  "pg_dynshmem",
  "pg_logical",
  "pg_logical/mappings",
  "pg_logical/snapshots",
  "pg_multixact",
  "pg_multixact/members",
  "pg_multixact/offsets",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat",
  "pg_stat_tmp",
  "pg_subtrans",
  "pg_tblspc",
  "pg_twophase",
  "pg_wal",
  "pg_wal/archive_status",
  "pg_xact",
];

/** Directories that Postgres of this major version does not make itself; most are fatal to miss at its start. */
export function requiredDirectories(majorVersion: number): string[] {
  return majorVersion >= 17 ? [...ALWAYS, "pg_wal/summaries"] : ALWAYS;
}
