import { type ChainPoint, lineage, timelineExtents } from "./chain.js";
import type { Refs } from "./refs.js";
import type { SegmentStore } from "./segment-store.js";

/** What a collection has freed. */
export interface Freed {
  readonly segments: number;
  readonly bytes: number;
}

/** Deletes a timeline that nothing reaches. */
export async function removeTimeline(refs: Refs, segments: SegmentStore, timelineId: string): Promise<Freed> {
  return free(refs, segments, () => dropTimeline(refs, timelineId));
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
  return free(refs, segments, () => {
    const needed = findNeeded(refs, pinned, isExpired);
    return Array.from(refs.timeline.entries()).flatMap(([key]) => {
      const timelineId = String(key);
      const lastSeq = needed.get(timelineId);
      return lastSeq === undefined ? dropTimeline(refs, timelineId) : dropExtents(refs, timelineId, lastSeq);
    });
  });
}

/** Deletes segments that no timeline has, such as those whose deletion a crash cut short. */
export async function removeOrphans(refs: Refs, segments: SegmentStore): Promise<void> {
  const owned = new Set(Array.from(refs.extent.getRange(), ({ value }) => value));
  const ids = Array.from(refs.segment.entries(), ([key]) => String(key));
  await deleteSegments(
    refs,
    segments,
    ids.filter((id) => !owned.has(id)),
  );
}

/**
 * What is freed is chosen and taken out of the timelines in one transaction, so that no session can come to build on it
 * meanwhile. Then the files go, and last their entries: after a crash in between they are found as orphans.
 */
export async function free(refs: Refs, segments: SegmentStore, drop: () => string[]): Promise<Freed> {
  let ids: string[] = [];
  await refs.transaction(() => {
    ids = drop();
  });
  return deleteSegments(refs, segments, ids);
}

async function deleteSegments(refs: Refs, segments: SegmentStore, ids: readonly string[]): Promise<Freed> {
  if (ids.length === 0) return { segments: 0, bytes: 0 };
  let bytes = 0;
  for (const id of ids) {
    bytes += Number(refs.segment.get(id)?.durableLength ?? 0n);
    await segments.delete(id);
  }
  await refs.transaction(() => {
    for (const id of ids) refs.segment.remove(id);
  });
  return { segments: ids.length, bytes };
}

/** Number of the last frame that is reached of each timeline. Ends the leases that have run out. */
function findNeeded(
  refs: Refs,
  pinned: Iterable<ChainPoint>,
  isExpired: (deadline: bigint) => boolean,
): Map<string, number> {
  const roots: ChainPoint[] = [...pinned];
  for (const [, { timelineId, seq, lsn }] of refs.branch.entries()) {
    roots.push({ timelineId: Buffer.from(timelineId).toString("hex"), seq: Number(seq), lsn });
  }
  for (const [key, { deadline }] of Array.from(refs.lease.entries())) {
    if (deadline !== 0n && isExpired(deadline)) refs.lease.remove(key);
    else roots.push({ timelineId: String(key), seq: Number.MAX_SAFE_INTEGER, lsn: 0n });
  }
  const needed = new Map<string, number>();
  for (const root of roots) {
    for (const { timelineId, lastSeq } of lineage(refs, root)) {
      needed.set(timelineId, Math.max(needed.get(timelineId) ?? -1, lastSeq));
    }
  }
  return needed;
}

function dropTimeline(refs: Refs, timelineId: string): string[] {
  const ids = dropExtents(refs, timelineId, -1);
  refs.timeline.remove(timelineId);
  refs.lease.remove(timelineId);
  return ids;
}

/** Takes the segments that begin behind frame `lastSeq` out of a timeline, and returns them. */
function dropExtents(refs: Refs, timelineId: string, lastSeq: number): string[] {
  const extents = timelineExtents(refs, timelineId).filter(({ firstSeq }) => firstSeq > lastSeq);
  for (const { firstSeq } of extents) refs.extent.removeSync([timelineId, firstSeq]);
  return extents.map(({ segmentId }) => segmentId);
}
