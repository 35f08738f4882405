import { type ChainPoint, lineage, timelineExtents } from "./chain.js";
import type { Refs } from "./refs.js";
import type { SegmentStore } from "./segment-store.js";

/** What a collection has freed. */
export interface Freed {
  readonly segments: number;
  readonly bytes: number;
}

/** Deletes a timeline that nothing reaches: files first, so that a crash leaves an entry that is found again. */
export async function removeTimeline(refs: Refs, segments: SegmentStore, timelineId: string): Promise<Freed> {
  const freed = await removeExtents(refs, segments, timelineId, -1);
  await refs.transaction(() => {
    refs.timeline.remove(timelineId);
    refs.lease.remove(timelineId);
  });
  return freed;
}

/**
 * Frees what no root reaches, and every lease that has run out. Roots are heads of branches, leased timelines, and what
 * running sessions read or build on (`pinned`). Of a timeline that is reached by forks only, the segments behind the
 * last fork are freed too.
 */
export async function collectGarbage(
  refs: Refs,
  segments: SegmentStore,
  pinned: Iterable<ChainPoint>,
  isExpired: (deadline: bigint) => boolean,
): Promise<Freed> {
  const roots: ChainPoint[] = [...pinned];
  for (const [, { timelineId, seq, lsn }] of refs.branch.entries()) {
    roots.push({ timelineId: Buffer.from(timelineId).toString("hex"), seq: Number(seq), lsn });
  }
  for (const [key, { deadline }] of Array.from(refs.lease.entries())) {
    if (deadline !== 0n && isExpired(deadline)) await refs.transaction(() => refs.lease.remove(key));
    else roots.push({ timelineId: String(key), seq: Number.MAX_SAFE_INTEGER, lsn: 0n });
  }
  const needed = new Map<string, number>();
  for (const root of roots) {
    for (const { timelineId, lastSeq } of lineage(refs, root)) {
      needed.set(timelineId, Math.max(needed.get(timelineId) ?? -1, lastSeq));
    }
  }
  const freed = { segments: 0, bytes: 0 };
  for (const [key] of Array.from(refs.timeline.entries())) {
    const timelineId = String(key);
    const lastSeq = needed.get(timelineId);
    const { segments: count, bytes } =
      lastSeq === undefined
        ? await removeTimeline(refs, segments, timelineId)
        : await removeExtents(refs, segments, timelineId, lastSeq);
    freed.segments += count;
    freed.bytes += bytes;
  }
  return freed;
}

/** Deletes the segments of a timeline that begin behind frame `lastSeq`. */
async function removeExtents(
  refs: Refs,
  segments: SegmentStore,
  timelineId: string,
  lastSeq: number,
): Promise<Freed> {
  const extents = timelineExtents(refs, timelineId).filter(({ firstSeq }) => firstSeq > lastSeq);
  let bytes = 0;
  for (const { segmentId } of extents) {
    bytes += Number(refs.segment.get(segmentId)?.durableLength ?? 0n);
    await segments.delete(segmentId);
  }
  if (extents.length > 0) {
    await refs.transaction(() => {
      for (const { firstSeq, segmentId } of extents) {
        refs.extent.removeSync([timelineId, firstSeq]);
        refs.segment.remove(segmentId);
      }
    });
  }
  return { segments: extents.length, bytes };
}
