import type { ConsistentPoint } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { ChainReader } from "../../timeline/chain-reader.js";

/** Where a base backup became consistent: the marker, and the number of its frame. */
export interface MarkedFrame {
  readonly seq: number;
  readonly marker: ConsistentPoint;
}

/**
 * Finds the consistent point of a chain; it stands right behind the base backup. Page images are not read. Undefined if
 * it is not there. Throws XX001 for damage of the WAL before it.
 */
export async function findConsistentPoint(reader: ChainReader): Promise<MarkedFrame | undefined> {
  for await (const { header, records } of reader.walFrames()) {
    for (const { record } of records) {
      if (record.case === "consistentPoint") return { seq: Number(header.seq), marker: record.value };
    }
  }
  return undefined;
}
