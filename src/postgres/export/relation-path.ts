import { type RelationFork, RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";

/** OIDs of the two tablespaces that lie in the data directory itself. */
const PG_DEFAULT = 1663;
const PG_GLOBAL = 1664;

const SUFFIXES: Partial<Record<RelationForkName, string>> = {
  [RelationForkName.MAIN]: "",
  [RelationForkName.FSM]: "_fsm",
  [RelationForkName.VM]: "_vm",
  [RelationForkName.INIT]: "_init",
};

/**
 * Path of a fork's first file, relative to the data directory (manual: Database File Layout).
 *
 * `versionDirectories` says for each tablespace how the directory in it is called, such as `PG_15_202209061`. Throws
 * XX001 for a fork that cannot be.
 */
export function relationPath(
  relation: RelationFork,
  versionDirectories: ReadonlyMap<number, string>,
): string {
  const { tablespaceOid, databaseOid, relationNumber } = relation;
  const suffix = SUFFIXES[relation.fork];
  if (suffix === undefined || relationNumber === 0) throw impossible(relation);
  const file = `${relationNumber}${suffix}`;
  if (tablespaceOid === PG_GLOBAL) {
    if (databaseOid !== 0) throw impossible(relation);
    return `global/${file}`;
  }
  if (databaseOid === 0) throw impossible(relation);
  if (tablespaceOid === PG_DEFAULT) return `base/${databaseOid}/${file}`;
  const version = versionDirectories.get(tablespaceOid);
  if (version === undefined) throw impossible(relation);
  return `pg_tblspc/${tablespaceOid}/${version}/${databaseOid}/${file}`;
}

function impossible({ tablespaceOid, databaseOid, relationNumber, fork }: RelationFork): NeonError {
  const name = `${tablespaceOid}/${databaseOid}/${relationNumber}, fork ${fork}`;
  return new NeonError("data_corrupted", `the branch holds pages of a relation that cannot be: ${name}`, {
    party: "source",
  });
}
