import { type BranchRef, SegmentState, type TimelineInfo } from "../../gen/neon/store/v1/store_pb.js";
import { type ChainPoint, hex, resolveChain, timelineExtents } from "./chain.js";
import { sameHead } from "./head.js";
import { isDamage } from "./is-damage.js";
import { headOfRef } from "./move-branch.js";
import type { Refs } from "./refs.js";
import type { Shelf } from "./segment/seal-segment.js";
import { readSegmentFooter, type SegmentIndex } from "./segment/segment-footer.js";

/**
 * Looks for what contradicts the invariants that the head of `store.ts` lists, by their numbers there. Returns a sentence
 * for each; none if all hold. What cannot be read is damage, which is no contradiction: reading the frames tells it.
 * Sealed segments must not change meanwhile; sessions may run.
 */
export async function findContradictions(shelf: Shelf): Promise<string[]> {
  const { refs } = shelf;
  const found = [...segmentsOnce(refs), ...leases(refs), ...branchesOnce(refs), ...timelinesInCycles(refs)];
  // What follows relies on these.
  if (found.length > 0) return found;
  const footers = new FooterComparison(shelf);
  for (const [key, info] of Array.from(refs.timeline.entries())) {
    const contradictions = await footers.timeline(String(key), info);
    // It can have been collected meanwhile, or become another one's.
    if (refs.timeline.get(key) !== undefined) found.push(...contradictions);
  }
  for (const [key, ref] of Array.from(refs.branch.entries())) {
    const contradictions = await footers.branch(String(key), ref);
    const now = refs.branch.get(key);
    if (now !== undefined && sameHead(headOfRef(now), headOfRef(ref))) found.push(...contradictions);
  }
  return found;
}

/** 4, 5 and 9: every segment has one place, and what is known of damage belongs to a segment. */
function* segmentsOnce(refs: Refs): Iterable<string> {
  const places = new Map<string, string>();
  for (const [[timelineId, firstSeq], id] of refs.extent.entries()) {
    const before = places.get(id);
    if (before !== undefined) yield `segment ${id} is in timelines ${before} and ${timelineId}`;
    places.set(id, timelineId);
    if (refs.timeline.get(timelineId) === undefined)
      yield `segment ${id} is in timeline ${timelineId}, which is not there`;
    if (refs.segment.get(id) === undefined)
      yield `timeline ${timelineId} lacks segment ${id}, frames ${firstSeq} on`;
  }
  for (const [key] of refs.damage.entries()) {
    if (refs.segment.get(String(key)) === undefined)
      yield `damage is known of segment ${key}, which is not there`;
  }
}

/** 8 */
function* leases(refs: Refs): Iterable<string> {
  for (const [key] of refs.lease.entries()) {
    if (refs.timeline.get(String(key)) === undefined)
      yield `a lease is for timeline ${key}, which is not there`;
  }
}

/** 1 and 2 */
function* branchesOnce(refs: Refs): Iterable<string> {
  const names = new Map<string, string>();
  for (const [key, { timelineId }] of refs.branch.entries()) {
    const [id, name] = [hex(timelineId), String(key)];
    const other = names.get(id);
    if (other !== undefined) yield `branches "${other}" and "${name}" stand on the same timeline, ${id}`;
    names.set(id, name);
    if (refs.timeline.get(id) === undefined)
      yield `branch "${name}" stands on timeline ${id}, which is not there`;
    if (refs.lease.get(id)?.deadline === 0n)
      yield `a session writes timeline ${id}, on which branch "${name}" stands`;
  }
}

/** 3: parents are there, and nothing stands on itself. */
function timelinesInCycles(refs: Refs): string[] {
  const found: string[] = [];
  const sound = new Set<string>();
  for (const [key] of refs.timeline.entries()) {
    const path = new Set<string>();
    for (let id = String(key); id !== "" && !sound.has(id); ) {
      const info = refs.timeline.get(id);
      if (info === undefined)
        found.push(`timeline ${[...path].at(-1)} goes on from ${id}, which is not there`);
      else if (path.has(id)) found.push(`timeline ${id} goes on from itself`);
      if (info === undefined || path.has(id)) break;
      path.add(id);
      id = hex(info.parent);
    }
    for (const id of path) sound.add(id);
  }
  return found;
}

/** What a segment's footer says. */
interface Footer {
  readonly firstSeq: number;
  readonly endSeq: number;
  /** Bytes of its frames. */
  readonly length: number;
}

/** Compares the index with the footers of the segments. */
class FooterComparison {
  readonly #shelf: Shelf;
  /** Each is read for every chain that it is part of. */
  readonly #footers = new Map<string, Footer | undefined>();

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
  }

  /** 3 to 7 */
  async timeline(id: string, info: TimelineInfo): Promise<string[]> {
    const { refs } = this.#shelf;
    const found: string[] = [];
    let next: number | undefined = info.parent.length === 0 ? 0 : Number(info.forkSeq) + 1;
    for (const { segmentId, firstSeq } of timelineExtents(refs, id)) {
      if (next !== undefined && next !== firstSeq)
        found.push(`timeline ${id} has the frames before ${next}, and then those from ${firstSeq} on`);
      const footer = await this.#footer(segmentId);
      if (footer !== undefined) found.push(...segment(refs, segmentId, firstSeq, footer));
      next = footer?.endSeq;
    }
    if (info.parent.length === 0) return found;
    const parent = hex(info.parent);
    if (hex(refs.timeline.get(parent)?.startDigest ?? info.startDigest) !== hex(info.startDigest))
      found.push(`timeline ${id} begins otherwise than timeline ${parent}, from which it goes on`);
    // Of one that forks alone stand on, from before it was itself forked, nothing else need be left.
    if (next === Number(info.forkSeq) + 1 && refs.lease.get(id) === undefined) return found;
    const point = { timelineId: parent, seq: Number(info.forkSeq), lsn: info.forkLsn };
    found.push(...(await this.#reaches(`timeline ${id}`, point, { bytes: info.forkBytes })));
    return found;
  }

  /** 1 */
  async branch(name: string, { timelineId, seq, lsn, digest }: BranchRef): Promise<string[]> {
    const { refs } = this.#shelf;
    const point = { timelineId: hex(timelineId), seq: Number(seq), lsn };
    const last = timelineExtents(refs, point.timelineId).at(-1);
    const footer = last && (await this.#footer(last.segmentId));
    const info = refs.timeline.get(point.timelineId);
    const found: string[] = [];
    if (last === undefined && (info?.forkSeq !== seq || info.forkLsn !== lsn))
      found.push(`branch "${name}" stands elsewhere than its timeline, which holds no frames, was made`);
    if (footer !== undefined && footer.endSeq !== point.seq + 1)
      found.push(`branch "${name}" stands at frame ${seq}, and its timeline ends with ${footer.endSeq - 1}`);
    const bytes = last === undefined ? info?.forkBytes : undefined;
    found.push(...(await this.#reaches(`branch "${name}"`, point, { digest, bytes })));
    return found;
  }

  /** Whether the frames up to a point are there, the last one counts up to its LSN, and what is known of them is true. */
  async #reaches(what: string, point: ChainPoint, known: Known): Promise<string[]> {
    let [bytes, next] = [0, 0];
    for (const { segmentId, firstSeq, lastSeq } of resolveChain(this.#shelf.refs, point)) {
      if (firstSeq !== next) return [`${what} lacks the frames ${next} to ${firstSeq - 1}`];
      next = lastSeq + 1;
      const footer = await this.#footer(segmentId);
      if (footer === undefined) return [];
      if (footer.endSeq < next) return [`${what} lacks the frames ${footer.endSeq} to ${lastSeq}`];
      const index = next < footer.endSeq || lastSeq === point.seq ? await this.#index(segmentId) : undefined;
      if (index !== undefined && lastSeq === point.seq) return atEnd(what, point, known, index, bytes);
      bytes += index?.offsets[next - firstSeq] ?? footer.length;
    }
    return next > point.seq ? [] : [`${what} lacks the frames ${next} to ${point.seq}`];
  }

  async #footer(segmentId: string): Promise<Footer | undefined> {
    if (this.#footers.has(segmentId)) return this.#footers.get(segmentId);
    const index = await this.#index(segmentId);
    const footer = index && {
      firstSeq: index.firstSeq,
      endSeq: index.firstSeq + index.offsets.length - 1,
      length: index.offsets.at(-1) ?? 0,
    };
    this.#footers.set(segmentId, footer);
    return footer;
  }

  /** Undefined where damage leaves nothing to compare, or a session still writes. */
  async #index(segmentId: string): Promise<SegmentIndex | undefined> {
    const { refs, segments } = this.#shelf;
    if (refs.segment.get(segmentId)?.state !== SegmentState.SEALED) return undefined;
    try {
      return await readSegmentFooter(segments, segmentId);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }
}

/** What the index says of the frames up to a point. */
interface Known {
  readonly bytes?: bigint | undefined;
  readonly digest?: Uint8Array;
}

function* segment(refs: Refs, id: string, firstSeq: number, footer: Footer): Iterable<string> {
  if (footer.firstSeq !== firstSeq)
    yield `segment ${id} begins with frame ${footer.firstSeq}, not with ${firstSeq}`;
  const { durableLength = 0n } = refs.segment.get(id) ?? {};
  if (durableLength !== BigInt(footer.length))
    yield `segment ${id} has ${footer.length} bytes of frames, not ${durableLength}`;
  const bad = refs.damage.get(id)?.firstBadSeq;
  if (bad !== undefined && (bad < BigInt(firstSeq) || bad >= BigInt(footer.endSeq)))
    yield `damage is known of frame ${bad}, which segment ${id} does not hold`;
}

function atEnd(
  what: string,
  { seq, lsn }: ChainPoint,
  known: Known,
  index: SegmentIndex,
  bytesBefore: number,
): string[] {
  const found: string[] = [];
  const i = seq - index.firstSeq;
  const bytes = bytesBefore + index.offsets[i + 1];
  if (lsn > index.endLsn(i)) found.push(`${what} counts more of frame ${seq} than there is`);
  if (known.digest !== undefined && !index.digest(i).equals(known.digest))
    found.push(`${what} names another frame ${seq} than the one that is there`);
  if (known.bytes !== undefined && known.bytes !== BigInt(bytes))
    found.push(`${what} goes on behind ${known.bytes} bytes of frames, of which there are ${bytes}`);
  return found;
}
