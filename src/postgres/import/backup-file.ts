import type { MessageInitShape } from "@bufbuild/protobuf";
import { RelationForkName, type RelationForkSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";

/** What becomes of a file of a base backup. */
export type BackupFile =
  /** Its bytes are pages of a relation fork, from block `firstBlock` of the whole fork on. */
  | {
      readonly kind: "relation";
      readonly relation: MessageInitShape<typeof RelationForkSchema>;
      readonly firstBlock: number;
    }
  /** It is kept verbatim. */
  | { readonly kind: "verbatim"; readonly path: string }
  /** It belongs to the server that runs, or is made anew by export. */
  | { readonly kind: "dropped" };

const DROPPED =
  /^(standby\.signal|recovery\.signal|tablespace_map|postmaster\..*)$|^(pg_wal|pg_replslot|pg_stat_tmp)\//;
const DROPPED_DIRECTORY = /^(pg_replslot|pg_stat_tmp)\//;

const RELATION =
  /^(?:(global)|base\/([1-9]\d*)|pg_tblspc\/([1-9]\d*)\/PG_[^/]+\/([1-9]\d*))\/([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/;
const FORKS: Record<string, RelationForkName> = {
  fsm: RelationForkName.FSM,
  vm: RelationForkName.VM,
  init: RelationForkName.INIT,
};
const PG_DEFAULT_OID = 1663;
const PG_GLOBAL_OID = 1664;
const MAX_UINT32 = 0xffffffff;

/**
 * Says what becomes of the file at `path`, which is relative to the data directory and `size` bytes long (manual: 73.1).
 * `segmentBlocks` is the number of pages in each file of a fork but the last: block numbers count through all files.
 */
export function classifyBackupFile(path: string, size: number, segmentBlocks: number): BackupFile {
  if (DROPPED.test(path)) return { kind: "dropped" };
  const match = size % BLOCK_SIZE === 0 ? RELATION.exec(path) : null;
  if (match === null) return { kind: "verbatim", path };
  const [, global, baseDatabase, tablespace, database, number, fork, segment] = match;
  const relation = {
    tablespaceOid: global !== undefined ? PG_GLOBAL_OID : Number(tablespace ?? PG_DEFAULT_OID),
    databaseOid: Number(baseDatabase ?? database ?? 0),
    relationNumber: Number(number),
    fork: fork === undefined ? RelationForkName.MAIN : (FORKS[fork] as RelationForkName),
  };
  const firstBlock = Number(segment ?? 0) * segmentBlocks;
  const last = firstBlock + size / BLOCK_SIZE;
  const largest = Math.max(relation.tablespaceOid, relation.databaseOid, relation.relationNumber, last);
  return largest > MAX_UINT32 ? { kind: "verbatim", path } : { kind: "relation", relation, firstBlock };
}

/** Whether a directory of the data directory is one that the cluster has to have. */
export function keepsBackupDirectory(path: string): boolean {
  return path !== "" && !DROPPED_DIRECTORY.test(path);
}

/**
 * The path in the data directory of what a tar archive calls `name`: names can begin with `./` and end with `/`.
 * `prefix` is where the archive belongs. Throws 08P01 for a name that leaves it.
 */
export function backupPath(prefix: string, name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || parts.includes("..")) {
    throw new NeonError(
      "protocol_violation",
      `the base backup holds the path "${name}", which leaves the data directory`,
      {
        party: "source",
      },
    );
  }
  return prefix === "" ? parts.join("/") : [prefix, ...parts].join("/");
}
