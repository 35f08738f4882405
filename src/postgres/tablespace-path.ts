/**
 * Whether a path below `pg_tblspc`, given as its parts, is a tablespace's: its directory, named by OID, and what lies in the
 * directory of a Postgres version in that (manual: 73.1). Anything else there, such as `.DS_Store` or `lost+found`, is not
 * the cluster's.
 */
export function isOfTablespace([, oid = "", version]: readonly string[]): boolean {
  return /^[1-9]\d{0,9}$/.test(oid) && (version === undefined || /^PG_\d{1,3}_\d{1,10}$/.test(version));
}
