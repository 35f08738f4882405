import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type StartRecord, StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { type BranchRef, BranchRefSchema, TimelineInfoSchema } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { assertBranchName } from "./branch-name.js";
import { ChainReader, type DecodedFrame, decodeRecords, type Extent } from "./chain-reader.js";
import { ChainWriter } from "./chain-writer.js";
import { FrameAppender } from "./frame-appender.js";
import { type Head, headOf } from "./head.js";
import { Refs } from "./refs.js";
import { FileSegmentStore, type SegmentStore } from "./segment-store.js";

/** A name for a head, with what is known of its chain. */
export interface Branch {
  readonly name: string;
  readonly head: Head;
  /** The timeline that keeps it, 16 bytes. */
  readonly timelineId: Buffer;
  readonly start: StartRecord;
  /** Frames of the chain. */
  readonly frames: number;
  /** Bytes of these frames, at rest and on the wire. */
  readonly bytes: number;
}

/**
 * The timelines and branches of one repository: segments in files, refs in LMDB. The process that opens it must hold
 * the repository's lock.
 */
export class Store {
  readonly #refs: Refs;
  readonly #segments: SegmentStore;
  readonly #appenders = new Set<FrameAppender>();

  private constructor(refs: Refs, segments: SegmentStore) {
    this.#refs = refs;
    this.#segments = segments;
  }

  /** Opens the store in `directory`, making it if needed, and deletes what sessions of a dead process left behind. */
  static async open(directory: string): Promise<Store> {
    await mkdir(join(directory, "refs"), { recursive: true, mode: 0o700 });
    const segments = await FileSegmentStore.open(join(directory, "segments"));
    const store = new Store(Refs.open(join(directory, "refs")), segments);
    await store.#deleteLeftovers();
    return store;
  }

  /** Closes it. Chains that are being written stay unfinished, and are deleted at the next opening. */
  async close(): Promise<void> {
    for (const appender of this.#appenders) await appender.close();
    await this.#refs.close();
  }

  /** Branches in the order of their names. */
  listBranches(): Branch[] {
    return Array.from(this.#refs.branch.entries(), ([name, ref]) => this.#branch(String(name), ref));
  }

  /** The branch, or undefined. Throws 42602 for what cannot be a branch's name. */
  getBranch(name: string): Branch | undefined {
    assertBranchName(name);
    const ref = this.#refs.branch.get(name);
    return ref && this.#branch(name, ref);
  }

  /** The branch. Throws 42704 if there is none. */
  requireBranch(name: string): Branch {
    const branch = this.getBranch(name);
    if (branch === undefined) {
      throw new NeonError("undefined_object", `branch "${name}" does not exist`, {
        hint: "neon branch list shows the branches.",
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

  /** Begins to append frames to segments of their own. Nothing is visible before {@link createBranch}. */
  appendFrames(): FrameAppender {
    const appender = new FrameAppender(this.#segments, this.#refs, () => this.#appenders.delete(appender));
    this.#appenders.add(appender);
    return appender;
  }

  /** Begins a new chain made of records. Nothing is visible before {@link createBranch}. */
  async beginChain(): Promise<ChainWriter> {
    return new ChainWriter(this.appendFrames());
  }

  /**
   * Makes a branch of the frames that `writer` has: durable first, then visible, in one transaction.
   * Throws 42710 if the name has been taken meanwhile; the frames then still belong to the writer.
   */
  async createBranch(name: string, writer: ChainWriter | FrameAppender): Promise<Branch> {
    assertBranchName(name);
    if (writer instanceof ChainWriter) await writer.flush();
    const appender = writer instanceof ChainWriter ? writer.appender : writer;
    await appender.seal();
    const { last } = appender;
    if (last === undefined) throw new RangeError("a branch has at least one frame");
    const head = headOf(last);
    const timelineId = randomBytes(16);
    const extents = appender.written.map(({ id, firstSeq }) => ({
      segmentId: id,
      firstSeq: Number(firstSeq),
    }));
    const start = await readStart(new ChainReader(this.#segments, extents, head));
    await this.#refs.transaction(() => {
      this.assertBranchNameIsFree(name);
      this.#putTimeline(timelineId, start, extents);
      const ref = { lsn: head.lsn, digest: head.digest, seq: BigInt(head.seq), timelineId };
      this.#refs.branch.put(name, create(BranchRefSchema, ref));
      this.#refs.lease.remove(appender.sessionId);
    });
    return this.requireBranch(name);
  }

  /** Reads the frames of a branch up to its head. */
  reader(branch: Branch): ChainReader {
    return new ChainReader(this.#segments, this.#extents(branch.timelineId), branch.head);
  }

  /** Frames of a branch with their records, every digest checked. Throws XX001 at the first damage. */
  readFrames(branch: Branch): AsyncIterable<DecodedFrame> {
    return this.reader(branch).decodedFrames();
  }

  #branch(name: string, ref: BranchRef): Branch {
    const timelineId = Buffer.from(ref.timelineId);
    const info = this.#refs.timeline.get(timelineId.toString("hex"));
    if (info === undefined) {
      throw new NeonError("data_corrupted", `branch "${name}" names a timeline that is not there`);
    }
    let bytes = 0;
    for (const { segmentId } of this.#extents(timelineId)) {
      bytes += Number(this.#refs.segment.get(segmentId)?.durableLength ?? 0n);
    }
    const head = { lsn: ref.lsn, digest: Buffer.from(ref.digest), seq: Number(ref.seq) };
    const start = fromBinary(StartRecordSchema, info.start);
    return { name, head, timelineId, start, frames: head.seq + 1, bytes };
  }

  #extents(timelineId: Buffer): Extent[] {
    const id = timelineId.toString("hex");
    const range = this.#refs.extent.getRange({ start: [id, 0], end: [id, Number.MAX_SAFE_INTEGER] });
    return Array.from(range, ({ key, value }) => ({ segmentId: value, firstSeq: key[1] }));
  }

  #putTimeline(timelineId: Buffer, start: StartRecord, extents: Extent[]): void {
    const id = timelineId.toString("hex");
    this.#refs.timeline.put(id, create(TimelineInfoSchema, { start: toBinary(StartRecordSchema, start) }));
    for (const { firstSeq, segmentId } of extents) this.#refs.extent.putSync([id, firstSeq], segmentId);
  }

  async #deleteLeftovers(): Promise<void> {
    const leases = Array.from(this.#refs.lease.entries());
    for (const [session, lease] of leases) {
      const ids = lease.segmentIds.map((id) => Buffer.from(id).toString("hex"));
      for (const id of ids) await this.#segments.delete(id);
      await this.#refs.transaction(() => {
        for (const id of ids) this.#refs.segment.remove(id);
        this.#refs.lease.remove(session);
      });
    }
  }
}

async function readStart(reader: ChainReader): Promise<StartRecord> {
  for await (const frame of reader.frames()) {
    const { records } = decodeRecords(frame);
    const record = records[0]?.record;
    if (record?.case === "start" && records.length === 1) return record.value;
    break;
  }
  throw new NeonError("data_corrupted", "the first frame of the chain holds no start record", {
    party: "source",
  });
}
