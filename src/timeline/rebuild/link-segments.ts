import { randomBytes } from "node:crypto";
import type { FoundSegment } from "./read-segments.js";

/** A frame of a segment. */
export interface Place {
  readonly segment: LinkedSegment;
  /** Its number in the segment. */
  readonly i: number;
}

/** A segment in its place in a timeline. */
export interface LinkedSegment extends FoundSegment {
  /** Hex. */
  readonly timelineId: string;
  /** The frame that its first one follows; undefined for the first of a chain. */
  readonly before: Place | undefined;
  /** Whether it begins its timeline. */
  readonly begins: boolean;
  /** Bytes of the frames before its own. */
  readonly bytesBefore: number;
  /** The first segment of its chain; undefined if that is itself. */
  readonly root: LinkedSegment | undefined;
}

/** What segments make together. */
export interface LinkedSegments {
  /** Those that lead down to a first frame, parents before what goes on from them. */
  readonly segments: LinkedSegment[];
  /** Where a frame is, by its digest in hex. */
  readonly places: ReadonlyMap<string, Place>;
}

/**
 * Puts segments together to timelines by the digests that their frames name. A segment goes on with the timeline of the one
 * before it if it follows that one's last frame, all of which counts, and no other does already; else it begins its own. One
 * that holds nothing which others do not gets a timeline of its own too, where no branch stands: it is garbage.
 */
export function linkSegments(found: readonly FoundSegment[]): LinkedSegments {
  const waiting = byPrevious(found);
  const places = new Map<string, Place>();
  const continued = new Set<LinkedSegment>();
  const segments: LinkedSegment[] = [];
  const queue = (waiting.get("") ?? []).map((segment) => ({
    segment,
    before: undefined as Place | undefined,
  }));
  waiting.delete("");
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { segment, before } = next;
    const isCopy = places.has(segment.index.digest(segment.frames - 1).toString("hex"));
    const linked = link(segment, before, isCopy ? undefined : continued);
    segments.push(linked);
    if (isCopy) continue;
    for (let i = 0; i < segment.frames; i++) {
      const digest = segment.index.digest(i).toString("hex");
      if (!places.has(digest)) places.set(digest, { segment: linked, i });
      const place = places.get(digest) as Place;
      // The longest first: what it holds the shorter ones need not.
      const followers = (waiting.get(digest) ?? []).toSorted((a, b) => b.frames - a.frames);
      queue.push(...followers.map((follower) => ({ segment: follower, before: place })));
      waiting.delete(digest);
    }
  }
  return { segments, places };
}

function byPrevious(found: readonly FoundSegment[]): Map<string, FoundSegment[]> {
  const groups = new Map<string, FoundSegment[]>();
  for (const segment of found) {
    const digest = segment.previousDigest.toString("hex");
    groups.set(digest, [...(groups.get(digest) ?? []), segment]);
  }
  return groups;
}

function link(
  segment: FoundSegment,
  before: Place | undefined,
  continued: Set<LinkedSegment> | undefined,
): LinkedSegment {
  const parent = before?.segment;
  const isLast = before !== undefined && before.i === before.segment.frames - 1;
  const goesOn =
    parent !== undefined &&
    isLast &&
    continued?.has(parent) === false &&
    segment.startLsn === parent.index.endLsn(before.i);
  if (goesOn) continued?.add(parent);
  const bytesBefore = before === undefined ? 0 : bytesUpTo(before);
  const timelineId = goesOn ? parent.timelineId : randomBytes(16).toString("hex");
  return { ...segment, timelineId, before, begins: !goesOn, bytesBefore, root: parent?.root ?? parent };
}

/** Bytes of the frames of a chain up to one, itself included. */
export function bytesUpTo({ segment, i }: Place): number {
  return segment.bytesBefore + (segment.index.offsets[i + 1] as number);
}
