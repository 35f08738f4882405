import { create } from "@bufbuild/protobuf";
import { LeaseSchema, SegmentState } from "../../gen/neon/store/v1/store_pb.js";
import { timelineExtents } from "./chain.js";
import { removeOrphans, removeTimeline } from "./garbage.js";
import { leaseDeadline } from "./lease-deadline.js";
import { scanSegment } from "./segment/scan-segment.js";
import { dropSegment, type Shelf, sealSegment } from "./segment/seal-segment.js";

/**
 * Brings what sessions of a dead process left behind in order: frames that another attempt can use, or has used already,
 * are sealed up to their durable length and kept under a lease, the rest is deleted. Does nothing where there are segments
 * that the index does not know.
 */
export async function recover(shelf: Shelf): Promise<void> {
  const { refs, segments } = shelf;
  // Then this index is an old one, put back beneath newer segments, and what it takes for unfinished may be finished.
  if ((await unknownSegments(shelf)).length > 0) return;
  await removeOrphans(refs, segments);
  const running = Array.from(refs.lease.entries()).filter(([, { deadline }]) => deadline === 0n);
  for (const [key, { resumable }] of running) {
    if (!resumable) await removeTimeline(refs, segments, String(key));
  }
  await sealAll(shelf);
  for (const [key, { resumable }] of running) {
    if (!resumable) continue;
    const timelineId = String(key);
    if (timelineExtents(refs, timelineId).length === 0) {
      await removeTimeline(refs, segments, timelineId);
      continue;
    }
    const lease = create(LeaseSchema, { deadline: leaseDeadline(), resumable });
    await refs.transaction(() => refs.lease.put(timelineId, lease));
  }
}

/** Ids of the segments that the index does not know. It does from before a file is made until after it is deleted. */
export async function unknownSegments({ refs, segments }: Shelf): Promise<string[]> {
  const unknown = (await segments.list()).filter((id) => refs.segment.get(id) === undefined);
  if (unknown.length === 0) return unknown;
  // One that was deleted between the two looks is no longer there.
  const still = new Set(await segments.list());
  return unknown.filter((id) => still.has(id));
}

/** Seals every segment that has no footer. Where that fails the frames are found all the same, as long as this process lives. */
async function sealAll(shelf: Shelf): Promise<void> {
  const { refs, segments, indexes } = shelf;
  const open = new Map<string, number>();
  for (const [key, { state, durableLength }] of refs.segment.entries()) {
    if (state === SegmentState.OPEN) open.set(String(key), Number(durableLength));
  }
  if (open.size === 0) return;
  for (const [key, id] of Array.from(refs.extent.entries())) {
    const durableLength = open.get(id);
    if (durableLength === undefined) continue;
    if (durableLength === 0) {
      await dropSegment(shelf, id, key);
      continue;
    }
    // Damage is told to whoever reads the frames; a branch may stand on them, so that nothing is deleted here.
    const footer = await scanSegment(segments, id, durableLength);
    if (footer?.length !== durableLength) continue;
    indexes.unsealed(id, footer);
    await sealSegment(shelf, id, footer).catch(() => undefined);
  }
}
