import { create } from "@bufbuild/protobuf";
import { LeaseSchema, SegmentInfoSchema, SegmentState } from "../../gen/neon/store/v1/store_pb.js";
import { timelineExtents } from "./chain.js";
import { decodeFrame } from "./frame.js";
import { LEASE_SECONDS } from "./frame-appender.js";
import { removeOrphans, removeTimeline } from "./garbage.js";
import type { Refs } from "./refs.js";
import { SegmentFooterBuilder } from "./segment-footer.js";
import type { SegmentStore } from "./segment-store.js";

/**
 * Brings what sessions of a dead process left behind in order: frames that another attempt can use are sealed up to
 * their durable length and kept under a lease, the rest is deleted.
 */
export async function recover(refs: Refs, segments: SegmentStore): Promise<void> {
  await removeOrphans(refs, segments);
  for (const [key, lease] of Array.from(refs.lease.entries())) {
    if (lease.deadline !== 0n) continue;
    const timelineId = String(key);
    const usable = lease.resumable && (await sealTimeline(refs, segments, timelineId).catch(() => false));
    if (!usable) {
      await removeTimeline(refs, segments, timelineId);
      continue;
    }
    const deadline = BigInt(Math.floor(Date.now() / 1000) + LEASE_SECONDS);
    await refs.transaction(() => {
      refs.lease.put(timelineId, create(LeaseSchema, { deadline, resumable: true }));
    });
  }
}

/** Seals the segments of a timeline that was being written. False if nothing of it was durable. */
async function sealTimeline(refs: Refs, segments: SegmentStore, timelineId: string): Promise<boolean> {
  let usable = false;
  for (const { segmentId, firstSeq } of timelineExtents(refs, timelineId)) {
    const info = refs.segment.get(segmentId);
    const durableLength = Number(info?.durableLength ?? 0n);
    if (durableLength === 0) {
      await segments.delete(segmentId);
      await refs.transaction(() => {
        refs.segment.remove(segmentId);
        refs.extent.removeSync([timelineId, firstSeq]);
      });
      continue;
    }
    usable = true;
    if (info?.state === SegmentState.OPEN)
      await sealSegment(refs, segments, segmentId, firstSeq, durableLength);
  }
  return usable;
}

async function sealSegment(
  refs: Refs,
  segments: SegmentStore,
  segmentId: string,
  firstSeq: number,
  durableLength: number,
): Promise<void> {
  const footer = new SegmentFooterBuilder(BigInt(firstSeq));
  while (footer.length < durableLength) {
    const header = await segments.read(segmentId, footer.length, 5);
    const length = 1 + header.readInt32BE(1);
    footer.add(decodeFrame(await segments.read(segmentId, footer.length, length)));
  }
  const file = await segments.reopen(segmentId, durableLength);
  try {
    await file.append([footer.toBytes()]);
    await file.sync();
  } finally {
    await file.close();
  }
  const info = { state: SegmentState.SEALED, durableLength: BigInt(durableLength) };
  await refs.transaction(() => refs.segment.put(segmentId, create(SegmentInfoSchema, info)));
}
