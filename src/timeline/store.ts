import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { BootProof } from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import { nearestName } from "../nearest-name.js";
import { syncDirectory } from "../sync-path.js";
import type { Base } from "./base.js";
import { type Branch, describeBranch, pointOf } from "./branch.js";
import { assertBranchName } from "./branch-name.js";
import { type ChainPoint, hex, requireTimeline, resolveChain } from "./chain.js";
import { ChainReader } from "./chain-reader.js";
import { ChainWriter } from "./chain-writer.js";
import { firstBadFrame } from "./damage.js";
import { type EndsOfChains, endsOfChains } from "./ends-of-chains.js";
import type { DecodedFrame } from "./frame/decode-records.js";
import { FrameAppender } from "./frame-appender.js";
import type { Freed } from "./garbage.js";
import { type Head, headOf } from "./head.js";
import { type Move, moveBranch, recoveryName } from "./move-branch.js";
import { recordProof } from "./record-proof.js";
import { recover, unknownSegments } from "./recover.js";
import { Refs } from "./refs.js";
import type { Shelf } from "./segment/seal-segment.js";
import { SegmentIndexes } from "./segment/segment-indexes.js";
import { FileSegmentStore } from "./segment/segment-store.js";
import { SourceSlots } from "./source-slots.js";
import { Upkeep } from "./upkeep.js";

export type { Branch } from "./branch.js";

/** What a store asks, and tells of by itself. */
export interface StoreOptions {
  /** Throws once another process has the store. Is asked before every change of the index. */
  assertHeld?(): void;
  /** Called once, with 58030, when the disk has failed beneath the index: nothing can be written any more. */
  onFatal?(error: NeonError): void;
  /** Called when work that nobody waits for, such as merging segments, has failed and left everything as it was. */
  onUpkeepFailed?(error: NeonError): void;
}

/**
 * The timelines and branches of one repository: segments in files, refs in LMDB. The process that opens it must hold
 * the repository's lock.
 *
 * What lives where, and who changes it:
 *
 * - Segments: files of frames, one behind the other, and a footer. A SegmentWriter makes each and seals it; Upkeep alone
 *   replaces sealed ones (merging), cuts or deletes them (garbage), writes a footer anew (verify).
 * - `segment`: how many bytes of a segment's frames count. `extent`: which timeline has it, from which frame on.
 * - `timeline`: which other one a timeline goes on from, and where. A session writes a timeline of its own; `moveBranch`
 *   makes its frames another one's where a branch just grows; garbage collection forgets it.
 * - `branch`: where a name stands. Changed in one transaction, by compare-and-swap (`moveBranch`, and below).
 * - `lease`: timelines that a session writes, or wrote, and that no branch holds yet. `damage`: what verify has found.
 * - In memory, gone with the process: running appenders; pinned points, which readers and receivers need; timelines that
 *   were shown to others while they were written; the footers of segments that have none in their files yet; watchers.
 *
 * Between transactions, also after a crash, all of this holds; `contradictions.ts` checks what can be checked:
 *
 * 1. A branch's timeline is there, and the branch stands at its end: on the last frame that it holds, with that one's
 *    digest, or where it holds none, on the frame and LSN where it was forked. So a branch that grows can keep its timeline.
 * 2. A timeline has one branch or none. Only its branch lets it grow, or the one session that its lease is for.
 * 3. A timeline's parent is there, no timeline stands on itself, and all of one chain name the same first frame. The frame
 *    where one was forked is reached through its parent, and counts no further than that frame does, unless nothing stands
 *    on it but forks from before that.
 * 4. The frames that a timeline holds follow those it was forked behind, or begin with frame 0, and each other, without a
 *    gap and without overlap. An extent names the number of its segment's first frame, and a segment that is known.
 * 5. A segment has one extent, or none: then it is about to be one or was just left by one, and opening deletes it.
 * 6. The footer of a sealed segment agrees with its frames and with the durable length, which is all of them. Below the
 *    durable length of an open one there are whole frames, all durable.
 * 7. A timeline's fork bytes are those of the frames up to where it was forked.
 * 8. A lease is for a timeline that is there, with a deadline unless its session runs; no branch stands on one that is
 *    still written.
 * 9. Damage is known of segments that are there, and of frames that they hold.
 * 10. What a branch, a lease, a pinned point or a running session reaches is never deleted. A frame is acknowledged, or
 *    named by a branch, only after it and all before it are durable.
 */
export class Store {
  /** What changes sealed segments. */
  readonly upkeep: Upkeep;
  /** The replication slots that were made on imported servers. */
  readonly sourceSlots: SourceSlots;
  readonly #shelf: Shelf;
  readonly #refs: Refs;
  readonly #appenders = new Set<FrameAppender>();
  readonly #pinned = new Set<ChainPoint>();
  readonly #watchers = new Set<(name: string) => void>();
  /** Timelines that others have been shown while they were being written. */
  readonly #shown = new Set<string>();

  private constructor(shelf: Shelf, options: StoreOptions) {
    this.#shelf = shelf;
    this.#refs = shelf.refs;
    this.upkeep = new Upkeep(shelf, options.onUpkeepFailed);
    this.sourceSlots = new SourceSlots(shelf.refs);
  }

  /** Makes an empty store in `directory`, which must not be there. It is durable when this resolves. */
  static async create(directory: string): Promise<void> {
    await mkdir(directory, { mode: 0o700 });
    await FileSegmentStore.create(join(directory, "segments"));
    await Refs.create(join(directory, "refs"));
    await syncDirectory(join(directory, ".."));
  }

  /**
   * Opens the store in `directory` and puts in order what a dead process left behind. Makes nothing: throws XX001 if
   * its segments are missing, or anything of its index is missing or damaged.
   */
  static async open(directory: string, options: StoreOptions = {}): Promise<Store> {
    const segments = await FileSegmentStore.open(join(directory, "segments"));
    const refs = await Refs.open(join(directory, "refs"), options.assertHeld);
    const shelf = { refs, segments, indexes: new SegmentIndexes(segments, refs) };
    try {
      await recover(shelf);
    } catch (error) {
      await refs.close();
      throw error;
    }
    refs.onFatal = options.onFatal;
    return new Store(shelf, options);
  }

  /** Closes it. What is being written stays unfinished until the next opening. */
  async close(): Promise<void> {
    for (const appender of this.#appenders) await appender.close();
    await this.upkeep.settle();
    await this.#refs.close();
  }

  /** Throws XX001 unless the index is as it was written, every page of it. Blocks for as long as its file takes to read. */
  checkIndex(): void {
    this.#refs.check();
  }

  /** Segments that the index does not know: nothing reads them, and nothing frees them. */
  async unknownSegments(): Promise<{ segments: number; bytes: number }> {
    const { segments } = this.#shelf;
    const unknown = await unknownSegments(this.#shelf);
    const lengths = await Promise.all(unknown.map((id) => segments.length(id)));
    return { segments: unknown.length, bytes: lengths.reduce((sum, length) => sum + length, 0) };
  }

  /** Branches in the order of their names. */
  listBranches(): Branch[] {
    return Array.from(this.#refs.branch.entries(), ([name, ref]) =>
      describeBranch(this.#refs, String(name), ref),
    );
  }

  /** The names of the branches, in order. Also that of one of which nothing else can be read. */
  branchNames(): string[] {
    return Array.from(this.#refs.branch.entries(), ([name]) => String(name));
  }

  /** The branch, or undefined. Throws 42602 for what cannot be a branch's name. */
  getBranch(name: string): Branch | undefined {
    assertBranchName(name);
    const ref = this.#refs.branch.get(name);
    return ref && describeBranch(this.#refs, name, ref);
  }

  /** The branch. Throws 42704 if there is none. */
  requireBranch(name: string): Branch {
    const branch = this.getBranch(name);
    if (branch === undefined) {
      const near = nearestName(name, this.branchNames());
      throw new NeonError("undefined_object", `branch "${name}" does not exist`, {
        hint: `${near === undefined ? "" : `Did you mean "${near}"? `}neon branch list shows the branches.`,
      });
    }
    return branch;
  }

  /** Throws 42710 if the name is taken, 42602 if it is none. */
  assertBranchNameIsFree(name: string): void {
    if (this.getBranch(name) !== undefined) {
      throw new NeonError("duplicate_object", `branch "${name}" already exists`, {
        hint: "Choose another name; neon branch list shows the taken ones.",
      });
    }
  }

  /** Begins to take frames from elsewhere, behind `base` or as a new chain. Nothing is visible before {@link move}. */
  appendFrames(base?: Base): FrameAppender {
    return this.#append(base, true);
  }

  /** Begins to make frames of records: a new chain, or one that goes on from the head of a branch. */
  async beginChain(branch?: Branch): Promise<ChainWriter> {
    return new ChainWriter(this.#append(branch && (await this.baseAt(pointOf(branch))), false));
  }

  /**
   * Makes a branch of the frames that `writer` has: durable first, then visible, in one transaction.
   * Throws 42710 if the name has been taken meanwhile; the frames then still belong to the writer.
   */
  async createBranch(name: string, writer: ChainWriter | FrameAppender): Promise<Branch> {
    return this.advanceBranch(name, undefined, writer);
  }

  /**
   * Moves a branch from `expected` (undefined: it must not exist) to the end of the frames that `writer` has made behind
   * that head. Throws 40001 if the branch stands elsewhere by then; the frames then still belong to the writer.
   */
  async advanceBranch(
    name: string,
    expected: Head | undefined,
    writer: ChainWriter | FrameAppender,
  ): Promise<Branch> {
    if (writer instanceof ChainWriter) await writer.flush();
    const frames = writer instanceof ChainWriter ? writer.appender : writer;
    if (frames.last === undefined) throw new RangeError("a branch has at least one frame");
    await this.move({ name, expected, head: headOf(frames.last), frames, keepOld: false });
    return this.requireBranch(name);
  }

  /** Moves a branch, once all its frames are durable. Returns the name that keeps what it pointed to. */
  async move(move: Move): Promise<string | undefined> {
    assertBranchName(move.name);
    if (move.frames instanceof FrameAppender) await move.frames.seal();
    let recovery: string | undefined;
    await this.#refs.transaction(() => {
      recovery = moveBranch(this.#refs, move, this.#shown);
    });
    this.#tellWatchers(move.name);
    const moved = this.#refs.branch.get(move.name);
    if (moved !== undefined) this.upkeep.mergeSegments(hex(moved.timelineId));
    return recovery;
  }

  /** The name under which what a branch points to is kept when the branch is forced away from there. */
  recoveryName(name: string, head: Head): string {
    return recoveryName(this.#refs, name, head);
  }

  /** Creates a branch at a frame and LSN of another one's history. Copies nothing. Throws 42710 if the name is taken. */
  async forkBranch(name: string, source: Branch, head: Head): Promise<Branch> {
    const point = { ...pointOf(source), seq: head.seq, lsn: head.lsn };
    const release = this.pin(point);
    try {
      const frames = await this.baseAt(point);
      const proof = source.proof !== undefined && source.proof.lsn <= head.lsn ? source.proof : undefined;
      await this.move({ name, expected: undefined, head, frames, keepOld: false, proof });
    } finally {
      release();
    }
    return this.requireBranch(name);
  }

  /** See {@link recordProof}. */
  async recordProof(branch: Branch, proof: BootProof): Promise<void> {
    await this.#refs.transaction(() => recordProof(this.#refs, branch, proof));
  }

  /** Gives a branch another name, and takes its replication slots along. Throws 42704 and 42710. */
  async renameBranch(name: string, newName: string): Promise<void> {
    assertBranchName(newName);
    await this.#refs.transaction(() => {
      this.requireBranch(name);
      this.assertBranchNameIsFree(newName);
      const ref = this.#refs.branch.get(name);
      if (ref !== undefined) this.#refs.branch.put(newName, ref);
      this.#refs.branch.remove(name);
      this.sourceSlots.renameBranch(name, newName);
    });
    this.#tellWatchers(name);
  }

  /** Forgets a branch and returns what it was. Its frames stay until {@link collectGarbage}. Throws 42704. */
  async deleteBranch(name: string): Promise<Branch> {
    const branch = this.requireBranch(name);
    await this.#refs.transaction(() => this.#refs.branch.remove(name));
    this.#tellWatchers(name);
    return branch;
  }

  /** Calls `watcher` with the name of every branch that moves or goes, until the returned function is called. */
  watch(watcher: (name: string) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Number of the first frame of a branch that is known to be damaged. */
  firstBadFrame(branch: Branch): number | undefined {
    return firstBadFrame(this.#refs, pointOf(branch));
  }

  /** Reads the frames of a branch up to its head. */
  reader(branch: Branch): ChainReader {
    return this.readerAt({ ...pointOf(branch), digest: branch.head.digest });
  }

  /** Reads the frames up to a point, whose frame has to have the digest if one is given. */
  readerAt(point: ChainPoint & { digest?: Buffer }): ChainReader {
    const { refs, segments, indexes } = this.#shelf;
    return new ChainReader(segments, indexes, () => resolveChain(refs, point), point);
  }

  /** Frames of a branch with their records, every digest checked. Throws XX001 at the first damage. */
  async *readFrames(branch: Branch): AsyncIterable<DecodedFrame> {
    const release = this.pin(pointOf(branch));
    try {
      yield* this.reader(branch).decodedFrames();
    } finally {
      release();
    }
  }

  /** Keeps what a session reads or builds on from being collected, until the returned function is called. */
  pin(point: ChainPoint): () => void {
    this.#pinned.add(point);
    return () => this.#pinned.delete(point);
  }

  /** What has to be known of the frames up to a point to append others behind them. */
  async baseAt(point: ChainPoint): Promise<Base> {
    const reader = this.readerAt(point);
    const { header, digest } = await reader.frame(point.seq);
    const info = requireTimeline(this.#refs, point.timelineId);
    return {
      timelineId: point.timelineId,
      predecessor: { header, digest },
      bytes: await reader.bytes(0, point.seq),
      start: fromBinary(StartRecordSchema, info.start),
      startDigest: Buffer.from(info.startDigest),
    };
  }

  /** See {@link endsOfChains}. */
  endsOfChains(startDigest: Uint8Array): Promise<EndsOfChains> {
    return endsOfChains(this.#shelf, startDigest, this.#shown, (point) => this.pin(point));
  }

  /**
   * Frees what nothing reaches. With `all`, what broken-off sessions left for the next attempt too. Throws 55000 if there is
   * no branch, and yet something to free, unless `noBranches` says that there are to be none, or if there are segments that
   * the index does not know; XX001 if the index is damaged.
   */
  async collectGarbage(all: boolean, noBranches = false): Promise<Freed> {
    this.checkIndex();
    await this.#assertKnowsSegments();
    const now = BigInt(Math.floor(Date.now() / 1000));
    const pinned = () => {
      const bases = Array.from(this.#appenders, ({ base }) => base).filter((base) => base !== undefined);
      const points = bases.map(({ timelineId, predecessor: { header } }) => ({
        timelineId,
        seq: Number(header.seq),
        lsn: header.endLsn,
      }));
      return [...this.#pinned, ...points];
    };
    return this.upkeep.collectGarbage(pinned, (deadline) => all || deadline < now, noBranches);
  }

  /** What an index that was put back from a copy takes for garbage may be what the newer one had a branch on. */
  async #assertKnowsSegments(): Promise<void> {
    const { segments, bytes } = await this.unknownSegments();
    if (segments === 0) return;
    throw new NeonError(
      "object_not_in_prerequisite_state",
      `the index does not know all segments (${segments} files, ${bytes} bytes): it is older than they are, and nothing is freed`,
      { hint: "neon repair --rebuild-index finds what they hold, and puts aside what is of no use." },
    );
  }

  #tellWatchers(name: string): void {
    for (const watcher of this.#watchers) watcher(name);
  }

  #append(base: Base | undefined, resumable: boolean): FrameAppender {
    const appender = new FrameAppender({
      ...this.#shelf,
      base,
      resumable,
      onEnd: () => this.#appenders.delete(appender),
    });
    this.#appenders.add(appender);
    return appender;
  }
}
