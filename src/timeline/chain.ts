import type { TimelineInfo } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import type { Lsn } from "../lsn.js";
import type { Refs } from "./refs.js";

/** Frames `firstSeq` to `lastSeq` of a chain, all in one segment. */
export interface Extent {
  readonly segmentId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** A frame of a timeline, counted up to an LSN: where a branch stands, or new frames can follow. */
export interface ChainPoint {
  /** Hex. */
  readonly timelineId: string;
  readonly seq: number;
  readonly lsn: Lsn;
}

/** The timeline's entry. Throws XX001 if it is not there. */
export function requireTimeline(refs: Refs, timelineId: string): TimelineInfo {
  const info = refs.timeline.get(timelineId);
  if (info === undefined) throw new NeonError("data_corrupted", `timeline ${timelineId} is not there`);
  return info;
}

/** Finds the frames up to a point, through its timeline and that one's parents. */
export function resolveChain(refs: Refs, point: ChainPoint): Extent[] {
  const extents: Extent[] = [];
  let { timelineId, seq: lastSeq } = point;
  for (;;) {
    for (const extent of timelineExtents(refs, timelineId).reverse()) {
      if (extent.firstSeq > lastSeq) continue;
      extents.push({ ...extent, lastSeq });
      lastSeq = extent.firstSeq - 1;
    }
    const { parent, forkSeq } = requireTimeline(refs, timelineId);
    if (parent.length === 0) return extents.reverse();
    // A timeline can be left before the point where it left its own parent; then only the earlier point counts.
    lastSeq = Math.min(lastSeq, Number(forkSeq));
    timelineId = hex(parent);
  }
}

/** The segments of one timeline alone, in order. */
export function timelineExtents(refs: Refs, timelineId: string): { segmentId: string; firstSeq: number }[] {
  const range = refs.extent.entries([timelineId, 0], [timelineId, Number.MAX_SAFE_INTEGER]);
  return Array.from(range, ([[, firstSeq], segmentId]) => ({ segmentId, firstSeq }));
}

/** Bytes of the frames that a timeline holds itself. */
export function timelineBytes(refs: Refs, timelineId: string): number {
  let bytes = 0;
  for (const { segmentId } of timelineExtents(refs, timelineId)) {
    bytes += Number(refs.segment.get(segmentId)?.durableLength ?? 0n);
  }
  return bytes;
}

/** The timeline and its parents, nearest first, with the last frame that counts of each. */
export function* lineage(refs: Refs, point: ChainPoint): Iterable<{ timelineId: string; lastSeq: number }> {
  let { timelineId, seq: lastSeq } = point;
  for (;;) {
    yield { timelineId, lastSeq };
    const { parent, forkSeq } = requireTimeline(refs, timelineId);
    if (parent.length === 0) return;
    timelineId = hex(parent);
    lastSeq = Math.min(lastSeq, Number(forkSeq));
  }
}

/** Bytes in hex. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
