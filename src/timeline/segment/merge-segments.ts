import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { SegmentInfoSchema, SegmentState } from "../../../gen/neon/store/v1/store_pb.js";
import { SEGMENT_BYTES } from "../../limits.js";
import { timelineExtents } from "../chain.js";
import { free } from "../garbage.js";
import type { Refs } from "../refs.js";
import { readSegmentFooter, SegmentFooterBuilder } from "./segment-footer.js";
import type { OpenSegment, SegmentStore } from "./segment-store.js";

const KiB = 1024;
/** Segments that are shorter become one, in bytes. Each frame is copied once a step, so that steps are far apart. */
const STEPS = [16 * KiB, 256 * KiB, 4096 * KiB, 65536 * KiB];
/** Fewer segments stay as they are: what a few imports appended shows as that many spans. */
const MANY = 16;
const COPY_BYTES = 4096 * KiB;

interface Part {
  readonly segmentId: string;
  readonly firstSeq: number;
  /** Number of the next segment's first frame: from there on it counts, whatever this one holds. */
  readonly endSeq: number;
  /** Bytes of its frames. */
  readonly length: number;
}

/**
 * Makes one segment of many short ones at the end of a timeline that nobody writes to: a branch that is followed gets a
 * segment with each of its moves, some hundred thousand a day. Frames are copied as they are. The timeline has the old
 * segments until the new one is durable; what a crash leaves behind nobody owns, and it is deleted at the next opening.
 *
 * Throws what the disk and the old segments' damage say; the timeline then has its old segments.
 */
export async function mergeSegments(refs: Refs, segments: SegmentStore, timelineId: string): Promise<void> {
  const parts = partsToMerge(refs, timelineId);
  // What is known of damage is known of a segment.
  if (parts.length === 0 || parts.some(({ segmentId }) => refs.damage.get(segmentId) !== undefined)) return;
  const id = randomBytes(16).toString("hex");
  const put = (state: SegmentState, length: number) =>
    refs.segment.put(id, create(SegmentInfoSchema, { state, durableLength: BigInt(length) }));
  await refs.transaction(() => put(SegmentState.OPEN, 0));
  let length = 0;
  try {
    length = await writeMerged(segments, id, parts);
  } catch (error) {
    await free(refs, segments, () => [id]);
    throw error;
  }
  await free(refs, segments, () => {
    // The timeline can have been collected meanwhile.
    const unchanged = parts.every(
      ({ firstSeq, segmentId }) => refs.extent.get([timelineId, firstSeq]) === segmentId,
    );
    if (!unchanged) return [id];
    for (const { firstSeq } of parts) refs.extent.remove([timelineId, firstSeq]);
    put(SegmentState.SEALED, length);
    refs.extent.put([timelineId, parts[0].firstSeq], id);
    return parts.map(({ segmentId }) => segmentId);
  });
}

/**
 * The last segments of a timeline that are shorter than a step and together longer: the longest such run, or as much of
 * it as one segment may hold.
 */
function partsToMerge(refs: Refs, timelineId: string): Part[] {
  const all: Part[] = timelineExtents(refs, timelineId).map((extent, i, extents) => ({
    ...extent,
    endSeq: extents[i + 1]?.firstSeq ?? Number.POSITIVE_INFINITY,
    length: Number(refs.segment.get(extent.segmentId)?.durableLength ?? 0n),
  }));
  for (const step of STEPS.toReversed()) {
    const run = all.slice(all.findLastIndex(({ length }) => length >= step) + 1);
    const bytes = run.reduce((sum, { length }) => sum + length, 0);
    if (run.length >= MANY && bytes >= step) return run.slice(0, countUpTo(run, SEGMENT_BYTES));
  }
  return [];
}

/** How many of the segments make one of `bytes` bytes or the first that is longer. */
function countUpTo(run: readonly Part[], bytes: number): number {
  let sum = 0;
  const last = run.findIndex(({ length }) => {
    sum += length;
    return sum >= bytes;
  });
  return last === -1 ? run.length : last + 1;
}

/** Writes the segment, durable and sealed, and returns the length of its frames. */
async function writeMerged(segments: SegmentStore, id: string, parts: readonly Part[]): Promise<number> {
  const footer = new SegmentFooterBuilder(parts[0].firstSeq);
  const file = await segments.create(id);
  try {
    for (const { segmentId, firstSeq, endSeq } of parts) {
      const index = await readSegmentFooter(segments, segmentId);
      const count = Math.min(index.offsets.length - 1, endSeq - firstSeq);
      footer.addFrom(index, count);
      await copy(segments, segmentId, index.offsets[count], file);
    }
    await file.append([footer.toBytes()]);
    await file.sync();
    return footer.length;
  } finally {
    await file.close();
  }
}

async function copy(segments: SegmentStore, id: string, length: number, file: OpenSegment): Promise<void> {
  for (let offset = 0; offset < length; offset += COPY_BYTES) {
    const wanted = Math.min(COPY_BYTES, length - offset);
    const bytes = await segments.read(id, offset, wanted);
    if (bytes.length < wanted) throw new RangeError(`segment ${id} is shorter than its footer says`);
    await file.append([bytes]);
  }
}
