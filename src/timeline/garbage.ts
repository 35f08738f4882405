import { SegmentState } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { type ChainPoint, hex, lineage, timelineExtents } from "./chain.js";
import { isDamage } from "./is-damage.js";
import type { Refs } from "./refs.js";
import { type Shelf, sealSegment } from "./segment/seal-segment.js";
import { SegmentFooterBuilder, type SegmentIndex } from "./segment/segment-footer.js";
import type { SegmentStore } from "./segment/segment-store.js";

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
 * running sessions read or build on (`pinned`). Of a timeline that is reached by forks only, what lies behind the last
 * fork is freed too: whole segments, and the end of the one that holds it.
 *
 * Throws 55000 if that would free anything of a store without branches, unless `noBranches` says that there are to be none:
 * branches that were lost must not take their data along.
 */
export async function collectGarbage(
  shelf: Shelf,
  pinned: () => Iterable<ChainPoint>,
  isExpired: IsExpired,
  noBranches = false,
): Promise<Freed> {
  const { refs, segments } = shelf;
  const lastIndexes = await readLastIndexes(shelf, findNeeded(refs, pinned(), isExpired));
  const cuts: Cut[] = [];
  const freed = await free(refs, segments, () => {
    const needed = findNeeded(refs, pinned(), isExpired);
    if (!noBranches) assertBranches(refs, needed);
    endLeases(refs, isExpired);
    return Array.from(refs.timeline.entries()).flatMap(([key]) => {
      const timelineId = String(key);
      const lastSeq = needed.get(timelineId);
      if (lastSeq === undefined) return dropTimeline(refs, timelineId);
      const ids = dropExtents(refs, timelineId, lastSeq);
      cuts.push(...cutLastExtent(refs, timelineId, lastSeq, lastIndexes));
      return ids;
    });
  });
  for (const { id, footer } of cuts) {
    shelf.indexes.unsealed(id, footer);
    await sealSegment(shelf, id, footer);
  }
  const bytes = cuts.reduce((sum, cut) => sum + cut.bytes, freed.bytes);
  return { segments: freed.segments + cuts.length, bytes };
}

function assertBranches(refs: Refs, needed: ReadonlyMap<string, number>): void {
  if (!refs.branch.empty) return;
  const ids = Array.from(refs.timeline.entries(), ([id]) => id);
  if (ids.every((id) => needed.has(id))) return;
  throw new NeonError(
    "object_not_in_prerequisite_state",
    "the repository has no branch, but frames that one can have stood on: nothing is freed",
    {
      hint: "If branches are missing, free nothing: neon repair --rebuild-index finds them again. If there are to be none: neon gc --no-branches.",
    },
  );
}

/** Deletes segments that no timeline has, such as those whose deletion a crash cut short. */
export async function removeOrphans(refs: Refs, segments: SegmentStore): Promise<void> {
  const owned = new Set(Array.from(refs.extent.entries(), ([, id]) => id));
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
    for (const id of ids) {
      refs.segment.remove(id);
      refs.damage.remove(id);
    }
  });
  return { segments: ids.length, bytes };
}

/** Whether a session has broken off so long ago that nobody comes back for its frames. */
type IsExpired = (deadline: bigint) => boolean;

/** Number of the last frame that is reached of each timeline. */
function findNeeded(refs: Refs, pinned: Iterable<ChainPoint>, isExpired: IsExpired): Map<string, number> {
  const roots: ChainPoint[] = [...pinned];
  for (const [, { timelineId, seq, lsn }] of refs.branch.entries()) {
    roots.push({ timelineId: hex(timelineId), seq: Number(seq), lsn });
  }
  for (const [key, { deadline }] of refs.lease.entries()) {
    if (deadline !== 0n && isExpired(deadline)) continue;
    roots.push({ timelineId: String(key), seq: Number.MAX_SAFE_INTEGER, lsn: 0n });
  }
  const needed = new Map<string, number>();
  for (const root of roots) {
    for (const { timelineId, lastSeq } of lineage(refs, root)) {
      needed.set(timelineId, Math.max(needed.get(timelineId) ?? -1, lastSeq));
    }
  }
  return needed;
}

function endLeases(refs: Refs, isExpired: IsExpired): void {
  for (const [key, { deadline }] of Array.from(refs.lease.entries())) {
    if (deadline !== 0n && isExpired(deadline)) refs.lease.remove(key);
  }
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
  for (const { firstSeq } of extents) refs.extent.remove([timelineId, firstSeq]);
  return extents.map(({ segmentId }) => segmentId);
}

/** A segment that is to end behind its first frames. */
interface Cut {
  readonly id: string;
  /** Of the frames that stay. */
  readonly footer: SegmentFooterBuilder;
  /** Of the others. */
  readonly bytes: number;
}

/** The indexes of the segments that hold the last frame that is needed of each timeline. */
async function readLastIndexes(
  { refs, indexes }: Shelf,
  needed: ReadonlyMap<string, number>,
): Promise<Map<string, SegmentIndex>> {
  const found = new Map<string, SegmentIndex>();
  for (const [timelineId, lastSeq] of needed) {
    if (lastSeq === Number.MAX_SAFE_INTEGER) continue;
    const last = timelineExtents(refs, timelineId).findLast(({ firstSeq }) => firstSeq <= lastSeq);
    if (last === undefined || refs.segment.get(last.segmentId)?.state !== SegmentState.SEALED) continue;
    try {
      found.set(last.segmentId, await indexes.get(last.segmentId));
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return found;
}

/**
 * Takes the end of a timeline's last segment away, behind frame `lastSeq`. Before the file is cut the index says that the
 * segment is open and ends there, so that after a crash the next opening cuts it.
 */
function cutLastExtent(
  refs: Refs,
  timelineId: string,
  lastSeq: number,
  lastIndexes: ReadonlyMap<string, SegmentIndex>,
): Cut[] {
  const id = timelineExtents(refs, timelineId).at(-1)?.segmentId;
  const index = id === undefined ? undefined : lastIndexes.get(id);
  const info = id === undefined ? undefined : refs.segment.get(id);
  if (id === undefined || index === undefined || info?.state !== SegmentState.SEALED) return [];
  const count = lastSeq + 1 - index.firstSeq;
  const length = index.offsets[count];
  if (length === undefined || length >= Number(info.durableLength)) return [];
  const footer = new SegmentFooterBuilder(index.firstSeq);
  footer.addFrom(index, count);
  refs.segment.put(id, { ...info, state: SegmentState.OPEN, durableLength: BigInt(length) });
  const bad = refs.damage.get(id)?.firstBadSeq;
  if (bad !== undefined && bad > BigInt(lastSeq)) refs.damage.remove(id);
  return [{ id, footer, bytes: Number(info.durableLength) - length }];
}
