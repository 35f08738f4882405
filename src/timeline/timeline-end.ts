import { NeonError } from "../errors.js";
import { type ChainPoint, timelineExtents } from "./chain.js";
import type { Refs } from "./refs.js";
import type { SegmentIndexes } from "./segment-indexes.js";

/**
 * The last durable frame that a timeline holds itself, if there is one, whether or not a branch stands there. A damaged
 * segment at its end counts as none: what is damaged is of use to nobody.
 */
export async function timelineEnd(
  refs: Refs,
  indexes: SegmentIndexes,
  timelineId: string,
): Promise<ChainPoint | undefined> {
  for (;;) {
    const last = lastDurable(refs, timelineId);
    if (last === undefined) return undefined;
    try {
      const index = await indexes.get(last.segmentId);
      const count = index.offsets.findLastIndex((offset) => offset <= last.durableLength);
      return { timelineId, seq: last.firstSeq + count - 1, lsn: index.endLsn(count - 1) };
    } catch (error) {
      // It may have been merged into another segment meanwhile.
      if (lastDurable(refs, timelineId)?.segmentId !== last.segmentId) continue;
      if (NeonError.from(error).code !== "data_corrupted") throw error;
      return undefined;
    }
  }
}

interface DurableSegment {
  readonly segmentId: string;
  readonly firstSeq: number;
  /** Bytes of its frames that are known to be durable. */
  readonly durableLength: number;
}

function lastDurable(refs: Refs, timelineId: string): DurableSegment | undefined {
  for (const extent of timelineExtents(refs, timelineId).reverse()) {
    const durableLength = Number(refs.segment.get(extent.segmentId)?.durableLength ?? 0n);
    if (durableLength > 0) return { ...extent, durableLength };
  }
  return undefined;
}
