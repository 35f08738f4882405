const OWNER = { file: 0o600, directory: 0o700 };
const GROUP = { file: 0o640, directory: 0o750 };

/** What Postgres makes in a data directory: directories with all that is below, and files. */
const MADE_BY_POSTGRES =
  /^(?:(?:base|global|pg_[a-z_]+)(?:\/.*)?|PG_VERSION|backup_label|backup_manifest|(?:recovery|standby)\.signal|postgresql(?:\.auto)?\.conf|pg_(?:hba|ident)\.conf)?$/;

/**
 * The mode of a file or directory of a data directory whose group may read it (manual: initdb --allow-group-access);
 * `path` is relative to it. What others have put there keeps to its owner: Postgres does not start with a private key
 * that the group can read.
 */
export function groupAccessMode(path: string, kind: "file" | "directory"): number {
  return (MADE_BY_POSTGRES.test(path) ? GROUP : OWNER)[kind];
}
