import type { MessageInitShape } from "@bufbuild/protobuf";
import { RelationForkName, type RelationForkSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";
import { quotePath } from "../byte-path.js";

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
  /** It is left out. */
  | { readonly kind: "dropped" };

const RELATION =
  /^(?:(global)|base\/([1-9]\d*)|pg_tblspc\/([1-9]\d*)\/PG_\d+_\d+\/([1-9]\d*))\/([1-9]\d*)(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/;
const FORKS: Record<string, RelationForkName> = {
  fsm: RelationForkName.FSM,
  vm: RelationForkName.VM,
  init: RelationForkName.INIT,
};
const PG_DEFAULT_OID = 1663;
const PG_GLOBAL_OID = 1664;
const BUILT_IN_TABLESPACES = new Set([PG_DEFAULT_OID, PG_GLOBAL_OID]);
const MAX_UINT32 = 0xffffffff;

/**
 * Says how the file at `path`, which is `size` bytes long, is kept (manual: 73.1). `segmentBlocks` is the number of pages
 * in each file of a fork but the last: block numbers count through all files. A file that only looks like a relation's,
 * and would not come out of a relation's pages as it was, is kept verbatim.
 */
export function classifyBackupFile(path: string, size: number, segmentBlocks: number): BackupFile {
  const match = size % BLOCK_SIZE === 0 ? RELATION.exec(path) : null;
  if (match === null) return { kind: "verbatim", path };
  const [, global, baseDatabase, tablespace, database, number, fork, segment] = match;
  const blocks = size / BLOCK_SIZE;
  const relation = {
    tablespaceOid: global !== undefined ? PG_GLOBAL_OID : Number(tablespace ?? PG_DEFAULT_OID),
    databaseOid: Number(baseDatabase ?? database ?? 0),
    relationNumber: Number(number),
    fork: fork === undefined ? RelationForkName.MAIN : (FORKS[fork] as RelationForkName),
  };
  const firstBlock = Number(segment ?? 0) * segmentBlocks;
  const last = firstBlock + blocks;
  const largest = Math.max(relation.tablespaceOid, relation.databaseOid, relation.relationNumber, last);
  const impossible =
    largest > MAX_UINT32 || blocks > segmentBlocks || BUILT_IN_TABLESPACES.has(Number(tablespace));
  // Without a page, only the fork's first file is made of its record.
  const noPage = blocks === 0 && segment !== undefined;
  return impossible || noPage ? { kind: "verbatim", path } : { kind: "relation", relation, firstBlock };
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
      `the base backup holds the path ${quotePath(name)}, which leaves the data directory`,
      {
        party: "source",
      },
    );
  }
  return prefix === "" ? parts.join("/") : [prefix, ...parts].join("/");
}
