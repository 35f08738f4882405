import { decodeFrameHead, MAX_FRAME_HEAD_BYTES } from "../frame/frame.js";
import { isDamage } from "../is-damage.js";
import { scanSegment } from "../segment/scan-segment.js";
import { readSegmentFooter, type SegmentIndex } from "../segment/segment-footer.js";
import type { SegmentStore } from "../segment/segment-store.js";

/** What a segment says of itself, without an index. */
export interface FoundSegment {
  readonly id: string;
  readonly index: SegmentIndex;
  /** Bytes of its frames. */
  readonly length: number;
  readonly frames: number;
  /** Digest of the frame that its first one names as the previous; empty for the first of a chain. */
  readonly previousDigest: Buffer;
  /** Where its first frame starts: before the end of the previous one if the histories part inside that. */
  readonly startLsn: bigint;
}

/** Reads every segment that holds at least one whole frame. What lies behind a damaged frame is not seen. */
export async function readSegments(segments: SegmentStore): Promise<FoundSegment[]> {
  const found: FoundSegment[] = [];
  for (const id of (await segments.list()).toSorted()) {
    const index = await readIndex(segments, id);
    if (index === undefined) continue;
    const { header } = decodeFrameHead(
      await segments.read(id, 0, Math.min(MAX_FRAME_HEAD_BYTES, index.offsets[1] as number)),
    );
    found.push({
      id,
      index,
      length: index.offsets.at(-1) as number,
      frames: index.offsets.length - 1,
      previousDigest: Buffer.from(header.previousDigest),
      startLsn: header.startLsn,
    });
  }
  return found;
}

/** By its footer, or where that is damaged or was never written, by its frames. */
async function readIndex(segments: SegmentStore, id: string): Promise<SegmentIndex | undefined> {
  try {
    const index = await readSegmentFooter(segments, id);
    return index.offsets.length > 1 ? index : undefined;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return scanSegment(segments, id, await segments.length(id));
  }
}
