import { access, copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type StartRecord, StartRecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { BootProof } from "../../../gen/neon/pageserver/v1/service_pb.js";
import {
  type BranchRef,
  BranchRefSchema,
  SegmentInfoSchema,
  SegmentState,
  type SourceSlot,
  TimelineInfoSchema,
} from "../../../gen/neon/store/v1/store_pb.js";
import { syncDirectory, syncFile } from "../../sync-path.js";
import { hex } from "../chain.js";
import { putForkTimeline } from "../fork-timeline.js";
import { decodeFrame } from "../frame/frame.js";
import { readStartRecord } from "../frame/start-record.js";
import type { Head } from "../head.js";
import { DATA_FILE } from "../index/lmdb-index.js";
import { isDamage } from "../is-damage.js";
import { Refs } from "../refs.js";
import { FileSegmentStore, type SegmentStore } from "../segment/segment-store.js";
import {
  bytesUpTo,
  type LinkedSegment,
  type LinkedSegments,
  linkSegments,
  type Place,
} from "./link-segments.js";
import { type FoundSegment, readSegments } from "./read-segments.js";
import { salvageTable } from "./salvage-index.js";

/** A branch that was found again. */
export interface FoundBranch {
  readonly name: string;
  readonly head: Head;
  /** Whether the old index still tells the name, and where it stands; otherwise it is the end of frames. */
  readonly named: boolean;
  /** What the old index tells of it besides. */
  readonly proof?: BootProof | undefined;
  readonly start: StartRecord;
}

/** What rebuilding an index has found. */
export interface Rebuilt {
  readonly branches: readonly FoundBranch[];
  /** Whether the old index tells all its branches, and no others: what else was found is no branch of before. */
  readonly namesAreWhole: boolean;
  /** Ids of the segments that lead to no branch, since they do not tell their place, or frames before theirs are missing. */
  readonly leftSegments: string[];
  /** Where these were put; undefined if there were none, or nothing was written. */
  readonly leftDirectory: string | undefined;
  /** Where the old index was put; undefined if there was none, or nothing was written. */
  readonly oldIndex: string | undefined;
}

/**
 * Finds the branches of the store in `directory` from its segments alone, and writes a new index that has them. The caller
 * has to hold the repository. Heads are the frames that no other frame names as its previous one, and what entries of the
 * old index that prove to be as they were written say of branches; these keep their names, and slots their place on the
 * list. Where a branch stood within a frame, and the old index does not tell, is lost: it ends with the frame.
 *
 * The new index is durable before it takes the place of the old one, in one step; that one is kept beside it. Segments are
 * not changed; those that lead to no branch are put aside, since the store takes one that it does not know for a sign that
 * its index is an old one. With `dryRun` nothing is written.
 */
export async function rebuildIndex(directory: string, dryRun: boolean): Promise<Rebuilt> {
  const segments = await FileSegmentStore.open(join(directory, "segments"));
  const { found, unreadable } = await readSegments(segments);
  const old = join(directory, "refs");
  const oldFile = join(old, DATA_FILE);
  const starts = await readStarts(segments, found, oldFile);
  const linked = linkSegments(found.filter((segment) => isBegun(segment, starts)));
  const known = await salvageTable(oldFile, "branch");
  const branches = findBranches(linked, starts, known.entries);
  const linkedIds = new Set(linked.segments.map(({ id }) => id));
  const leftSegments = [...unreadable, ...found.map(({ id }) => id).filter((id) => !linkedIds.has(id))];
  const rebuilt = { branches, leftSegments, namesAreWhole: known.isWhole };
  if (dryRun) return { ...rebuilt, oldIndex: undefined, leftDirectory: undefined };
  // lmdb-js takes a path with a dot in its name for a file.
  const made = join(directory, "refs-new");
  await rm(made, { recursive: true, force: true });
  await write(made, linked, starts, branches, (await salvageTable(oldFile, "slot")).entries);
  const oldIndex = await keepOld(directory, oldFile);
  await mkdir(old, { recursive: true, mode: 0o700 });
  await rename(join(made, DATA_FILE), oldFile);
  await syncDirectory(old);
  await syncDirectory(directory);
  await rm(made, { recursive: true, force: true });
  return { ...rebuilt, oldIndex, leftDirectory: await putAside(directory, leftSegments) };
}

async function putAside(directory: string, ids: readonly string[]): Promise<string | undefined> {
  if (ids.length === 0) return undefined;
  const aside = await freeName(directory, "segments-left");
  await mkdir(aside, { mode: 0o700 });
  for (const id of ids) await rename(join(directory, "segments", id), join(aside, id));
  for (const changed of [aside, join(directory, "segments"), directory]) await syncDirectory(changed);
  return aside;
}

/** Copies the file of the old index into a directory of its own, so that the new one can take its place in one step. */
async function keepOld(directory: string, file: string): Promise<string | undefined> {
  if (!(await exists(file))) return undefined;
  const kept = await freeName(directory, "refs-damaged");
  await mkdir(kept, { mode: 0o700 });
  await copyFile(file, join(kept, DATA_FILE));
  await syncFile(join(kept, DATA_FILE));
  await syncDirectory(kept);
  await syncDirectory(directory);
  return kept;
}

/** The start record of each chain, by the digest of its first frame in hex. */
type Starts = ReadonlyMap<string, StartRecord>;

/** Reads the start records of chains: from any copy of their first frames, or, where these are damaged, from the old index. */
async function readStarts(
  segments: SegmentStore,
  found: readonly FoundSegment[],
  oldFile: string,
): Promise<Starts> {
  const starts = new Map<string, StartRecord>();
  for (const [, { startDigest, start }] of (await salvageTable(oldFile, "timeline")).entries)
    starts.set(hex(startDigest), fromBinary(StartRecordSchema, start));
  for (const { id, index } of found.filter((segment) => segment.index.firstSeq === 0)) {
    try {
      const frame = decodeFrame(await segments.read(id, 0, index.offsets[1] as number));
      if (frame.digest.equals(index.digest(0))) starts.set(hex(frame.digest), readStartRecord(frame));
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return starts;
}

/** Whether a segment is not the first of its chain, or is, and it is known how that began. */
function isBegun({ index }: FoundSegment, starts: Starts): boolean {
  return index.firstSeq !== 0 || starts.has(hex(index.digest(0)));
}

function findBranches(
  linked: LinkedSegments,
  starts: Starts,
  known: ReadonlyMap<string, BranchRef>,
): FoundBranch[] {
  const branches: FoundBranch[] = [];
  const startOf = (segment: LinkedSegment) => startOfChain(segment, starts);
  for (const [name, { lsn, digest, seq, proof }] of known) {
    const place = linked.places.get(hex(digest));
    if (place === undefined || lsn > place.segment.index.endLsn(place.i)) continue;
    const head = { lsn, digest: Buffer.from(digest), seq: Number(seq) };
    branches.push({ name, head, named: true, proof, start: startOf(place.segment) });
  }
  const passed = new Set([
    ...branches.map(({ head }) => hex(head.digest)),
    ...linked.segments.map(({ before }) => before && digestAt(before)),
  ]);
  for (const segment of linked.segments) {
    const place = { segment, i: segment.frames - 1 };
    const digest = digestAt(place);
    if (passed.has(digest)) continue;
    passed.add(digest);
    const head = {
      lsn: segment.index.endLsn(place.i),
      digest: Buffer.from(digest, "hex"),
      seq: segment.index.firstSeq + place.i,
    };
    const taken = new Set(branches.map(({ name }) => name));
    branches.push({ name: madeUpName(digest, taken), head, named: false, start: startOf(segment) });
  }
  return branches.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function startOfChain(segment: LinkedSegment, starts: Starts): StartRecord {
  return starts.get(hex((segment.root ?? segment).index.digest(0))) as StartRecord;
}

function madeUpName(digest: string, taken: ReadonlySet<string>): string {
  let digits = 8;
  while (taken.has(`found-${digest.slice(0, digits)}`) && digits < digest.length) digits++;
  return `found-${digest.slice(0, digits)}`;
}

function digestAt({ segment, i }: Place): string {
  return segment.index.digest(i).toString("hex");
}

async function write(
  directory: string,
  linked: LinkedSegments,
  starts: Starts,
  branches: readonly FoundBranch[],
  slots: ReadonlyMap<string, SourceSlot>,
): Promise<void> {
  await Refs.create(directory);
  const refs = await Refs.open(directory);
  try {
    await refs.transaction(() => {
      for (const segment of linked.segments) putSegment(refs, segment, starts);
      const ends = endsOfTimelines(linked);
      for (const branch of branches) putBranch(refs, branch, linked, ends);
      for (const [key, slot] of slots) refs.slot.put(key, slot);
    });
  } finally {
    await refs.close();
  }
}

function putSegment(refs: Refs, segment: LinkedSegment, starts: Starts): void {
  const { id, timelineId, before, length, index } = segment;
  const info = { state: SegmentState.SEALED, durableLength: BigInt(length) };
  refs.segment.put(id, create(SegmentInfoSchema, info));
  refs.extent.put([timelineId, index.firstSeq], id);
  if (!segment.begins) return;
  const root = segment.root ?? segment;
  const parent = before && {
    parent: Buffer.from(before.segment.timelineId, "hex"),
    forkSeq: BigInt(before.segment.index.firstSeq + before.i),
    forkLsn: segment.startLsn,
    forkBytes: BigInt(bytesUpTo(before)),
  };
  const start = toBinary(StartRecordSchema, startOfChain(segment, starts));
  const timeline = { start, startDigest: root.index.digest(0), ...parent };
  refs.timeline.put(timelineId, create(TimelineInfoSchema, timeline));
}

/** The last segment of each timeline, by the timeline's id. */
function endsOfTimelines({ segments }: LinkedSegments): Map<string, LinkedSegment> {
  return new Map(segments.map((segment) => [segment.timelineId, segment]));
}

/** A branch stands at the end of a timeline, no two on one: any other gets a timeline without frames of its own. */
function putBranch(
  refs: Refs,
  { name, head, proof }: FoundBranch,
  { places }: LinkedSegments,
  ends: Map<string, LinkedSegment>,
): void {
  const place = places.get(hex(head.digest)) as Place;
  const { segment } = place;
  const atEnd =
    ends.get(segment.timelineId) === segment &&
    place.i === segment.frames - 1 &&
    head.lsn === segment.index.endLsn(place.i);
  let { timelineId } = segment;
  if (atEnd) ends.delete(timelineId);
  else {
    const chain = refs.timeline.get(timelineId);
    if (chain === undefined) throw new RangeError(`no timeline ${timelineId}`);
    const point = { timelineId, seq: head.seq, lsn: head.lsn };
    timelineId = putForkTimeline(refs, point, { ...chain, forkBytes: BigInt(bytesUpTo(place)) });
  }
  const { lsn, digest, seq } = head;
  const ref = { lsn, digest, seq: BigInt(seq), timelineId: Buffer.from(timelineId, "hex") };
  refs.branch.put(name, create(BranchRefSchema, { ...ref, ...(proof && { proof }) }));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function freeName(directory: string, stem: string): Promise<string> {
  for (let i = 1; ; i++) {
    const path = join(directory, `${stem}-${i}`);
    if (!(await exists(path))) return path;
  }
}
