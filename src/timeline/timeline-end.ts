import { type ChainPoint, timelineExtents } from "./chain.js";
import { firstBadFrame } from "./damage.js";
import { isDamage } from "./is-damage.js";
import type { Refs } from "./refs.js";
import type { SegmentIndexes } from "./segment/segment-indexes.js";

/**
 * The last durable frame that a timeline holds itself, if there is one, whether or not a branch stands there. What is
 * damaged, and what lies behind that, is of use to nobody.
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
      const durable = index.offsets.findLastIndex((offset) => offset <= last.durableLength);
      const count = Math.min(durable, last.endSeq - last.firstSeq);
      return { timelineId, seq: last.firstSeq + count - 1, lsn: index.endLsn(count - 1) };
    } catch (error) {
      // It may have been merged into another segment meanwhile.
      if (lastDurable(refs, timelineId)?.segmentId !== last.segmentId) continue;
      if (!isDamage(error)) throw error;
      return undefined;
    }
  }
}

interface DurableSegment {
  readonly segmentId: string;
  readonly firstSeq: number;
  /** Number of the first frame that is known to be damaged. */
  readonly endSeq: number;
  /** Bytes of its frames that are known to be durable. */
  readonly durableLength: number;
}

function lastDurable(refs: Refs, timelineId: string): DurableSegment | undefined {
  const all = { timelineId, seq: Number.MAX_SAFE_INTEGER, lsn: 0n };
  const endSeq = firstBadFrame(refs, all) ?? Number.MAX_SAFE_INTEGER;
  for (const extent of timelineExtents(refs, timelineId).reverse()) {
    const durableLength = Number(refs.segment.get(extent.segmentId)?.durableLength ?? 0n);
    if (durableLength > 0 && extent.firstSeq < endSeq) return { ...extent, endSeq, durableLength };
  }
  return undefined;
}
