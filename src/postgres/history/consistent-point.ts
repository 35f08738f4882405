import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { ConsistentPoint } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { ChainReader } from "../../timeline/chain-reader.js";

/** Where a base backup became consistent: the marker, and the number of its frame. */
export interface MarkedFrame {
  readonly seq: number;
  readonly marker: ConsistentPoint;
}

/**
 * Finds the consistent point of a chain among the frames `firstSeq` to `lastSeq`, in their order; it stands right behind
 * the base backup. Undefined if it is not there. Throws XX001 for damage before it.
 */
export async function findConsistentPoint(
  reader: ChainReader,
  firstSeq = 0,
  lastSeq = reader.lastSeq,
): Promise<MarkedFrame | undefined> {
  for await (const { header, records } of reader.decodedFrames(firstSeq, FrameKind.WAL)) {
    const seq = Number(header.seq);
    if (seq > lastSeq) return undefined;
    for (const { record } of records) {
      if (record.case === "consistentPoint") return { seq, marker: record.value };
    }
  }
  return undefined;
}
