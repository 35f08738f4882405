import { NeonError } from "../../errors.js";
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

/** Segments as a directory holds them. */
export interface FoundSegments {
  readonly found: FoundSegment[];
  /** Ids of those that do not tell which frames they hold, or which ones these follow. */
  readonly unreadable: string[];
}

/** Reads what every segment says. Where a footer is damaged, what lies behind a damaged frame is not seen. */
export async function readSegments(segments: SegmentStore): Promise<FoundSegments> {
  const found: FoundSegment[] = [];
  const unreadable: string[] = [];
  for (const id of (await segments.list()).toSorted()) {
    try {
      found.push(await readSegment(segments, id));
    } catch (error) {
      if (!isDamage(error)) throw error;
      unreadable.push(id);
    }
  }
  return { found, unreadable };
}

async function readSegment(segments: SegmentStore, id: string): Promise<FoundSegment> {
  const index = await readIndex(segments, id);
  const { previousDigest, startLsn } = await readPlace(segments, id, index);
  const frames = index.offsets.length - 1;
  return { id, index, length: index.offsets[frames] as number, frames, previousDigest, startLsn };
}

/** By its footer, or where that is damaged or was never written, by its frames. */
async function readIndex(segments: SegmentStore, id: string): Promise<SegmentIndex> {
  try {
    const index = await readSegmentFooter(segments, id);
    if (index.offsets.length > 1) return index;
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  const scanned = await scanSegment(segments, id, await segments.length(id));
  if (scanned === undefined) throw damaged(id);
  return scanned;
}

/** What the first frame follows. A header that is not as it was written would put the segment in another place. */
async function readPlace(segments: SegmentStore, id: string, index: SegmentIndex) {
  // Nothing precedes frame 0, whatever has become of its header.
  const first = { previousDigest: Buffer.alloc(0), startLsn: 0n };
  if (index.firstSeq === 0) return first;
  const length = Math.min(MAX_FRAME_HEAD_BYTES, index.offsets[1] as number);
  const { header, digest } = decodeFrameHead(await segments.read(id, 0, length));
  if (!digest.equals(index.digest(0)) || header.previousDigest.length === 0) throw damaged(id);
  return { previousDigest: Buffer.from(header.previousDigest), startLsn: header.startLsn };
}

function damaged(id: string): NeonError {
  return new NeonError("data_corrupted", `segment ${id} does not tell its place`, { party: "source" });
}
