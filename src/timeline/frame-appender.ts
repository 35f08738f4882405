import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type StartRecord, StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import {
  LeaseSchema,
  SegmentInfoSchema,
  SegmentState,
  TimelineInfoSchema,
} from "../../gen/neon/store/v1/store_pb.js";
import { SEGMENT_BYTES } from "../limits.js";
import type { Frame } from "./frame.js";
import { removeTimeline } from "./garbage.js";
import type { Refs } from "./refs.js";
import { SegmentFooterBuilder } from "./segment-footer.js";
import type { OpenSegment, SegmentStore } from "./segment-store.js";
import { readStartRecord } from "./start-record.js";
import { assertSuccessor, type Predecessor } from "./successor.js";

/** Bytes that may wait to be written before `append` holds its caller back. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Bytes written after which the next sync begins, while more is being written. */
const SYNC_BYTES = 16 * 1024 * 1024;

/** The frames that new ones follow. */
export interface Base {
  /** The timeline that holds the last of them. */
  readonly timelineId: string;
  /** The last of them. */
  readonly predecessor: Predecessor;
  /** Bytes of all of them. */
  readonly bytes: number;
  readonly start: StartRecord;
  readonly startDigest: Buffer;
}

/** What an appender works with. */
export interface FrameAppenderOptions {
  readonly segments: SegmentStore;
  readonly refs: Refs;
  /** Absent for a new chain. */
  readonly base?: Base | undefined;
  /** Whether what is durable is of use to another attempt, if this one breaks off. */
  readonly resumable: boolean;
  /** Called when the appender has closed its last file. */
  onEnd(): void;
}

/** For how long the frames of a session that broke off are kept, in seconds. */
export const LEASE_SECONDS = 24 * 3600;

interface Current {
  readonly id: string;
  readonly file: OpenSegment;
  readonly footer: SegmentFooterBuilder;
}

interface Queued {
  readonly frame: Frame;
  readonly release: (() => void) | undefined;
}

/**
 * Appends frames to a timeline of its own, in segments of its own, under a lease: nothing is visible before the store
 * moves a branch there.
 *
 * Frames are checked against their predecessor, queued, written in order by one loop, and synced by another, so that
 * the disk's work overlaps with the making of the next frames. Order of durability: segment, directory, LMDB; then
 * `onDurable` is told. The first failure is final: every later call throws it.
 */
export class FrameAppender {
  readonly timelineId = randomBytes(16).toString("hex");
  readonly base: Base | undefined;
  /** Called with the number of the last durable frame. */
  onDurable: ((seq: bigint) => void) | undefined;

  readonly #segments: SegmentStore;
  readonly #refs: Refs;
  readonly #resumable: boolean;
  readonly #onEnd: () => void;
  #current: Current | undefined;
  #last: Predecessor | undefined;
  #frames = 0;
  #bytes = 0;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #unsyncedBytes = 0;
  #writtenSeq: bigint;
  #durableSeq: bigint;
  #hasTimeline = false;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #sealing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;

  constructor({ segments, refs, base, resumable, onEnd }: FrameAppenderOptions) {
    this.#segments = segments;
    this.#refs = refs;
    this.#resumable = resumable;
    this.#onEnd = onEnd;
    this.base = base;
    this.#last = base?.predecessor;
    this.#writtenSeq = this.#durableSeq = base === undefined ? -1n : base.predecessor.header.seq;
  }

  /** The last frame that was appended, or the base's. */
  get last(): Predecessor | undefined {
    return this.#last;
  }

  /** Number of the frames that were appended. */
  get frames(): number {
    return this.#frames;
  }

  /** Bytes of the frames that were appended. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Queues a frame and takes ownership of it; `release`, if given, is called once its bytes are no longer needed.
   * Resolves when the next frame is welcome, not when this one is durable.
   * Throws what {@link assertSuccessor} throws, and what writing an earlier frame threw.
   */
  async append(frame: Frame, release?: () => void): Promise<void> {
    try {
      this.#assertSound();
      assertSuccessor(this.#last, frame);
    } catch (error) {
      release?.();
      throw error;
    }
    this.#last = { header: frame.header, digest: frame.digest };
    this.#frames++;
    this.#bytes += frame.length;
    this.#queue.push({ frame, release });
    this.#queuedBytes += frame.length;
    this.#writing ??= this.#writeQueue();
    if (this.#queuedBytes > QUEUE_BYTES) await this.#writing;
    this.#assertSound();
  }

  /** Resolves when every appended frame is durable. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    while (this.#failure === undefined && this.#durableSeq < this.#writtenSeq) {
      await this.#syncing;
      if (this.#durableSeq < this.#writtenSeq) this.#beginSync();
    }
    await this.#syncing;
    this.#assertSound();
  }

  /** Flushes and seals the last segment; nothing can be appended afterwards. */
  async seal(): Promise<void> {
    await this.flush();
    await this.#sealCurrent();
    this.#onEnd();
  }

  /** Stops, and leaves what it has written to the next opening of the store; a later abort leaves it there too. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#failure ??= new Error("closed");
    await this.#writing;
    await this.#syncing;
    // A footer that came after the next opening had cut the segment would damage it.
    await this.#sealing?.catch(() => undefined);
    await this.#current?.file.close();
    this.#current = undefined;
    this.#onEnd();
  }

  /**
   * Breaks off. What is durable and of use to another attempt is kept for it, for a day; the rest is deleted.
   */
  async suspend(): Promise<void> {
    if (!this.#resumable) return this.abort();
    try {
      await this.seal();
    } catch {
      return this.abort();
    }
    if (!this.#hasTimeline) return;
    const deadline = BigInt(Math.floor(Date.now() / 1000) + LEASE_SECONDS);
    await this.#refs.transaction(() => {
      this.#refs.lease.put(this.timelineId, create(LeaseSchema, { deadline, resumable: true }));
    });
  }

  /** Deletes everything that it has written. */
  async abort(): Promise<void> {
    await this.#stop();
    if (this.#closed) return;
    if (this.#hasTimeline) await removeTimeline(this.#refs, this.#segments, this.timelineId);
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && this.#failure === undefined) {
        const queued = this.#queue;
        this.#queue = [];
        const frames = queued.map(({ frame }) => frame);
        const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
        try {
          const segment = await this.#segmentFor(frames[0]);
          await segment.file.append(frames.flatMap(({ parts }) => parts));
          for (const frame of frames) segment.footer.add(frame);
        } finally {
          for (const { release } of queued) release?.();
        }
        this.#writtenSeq = frames[frames.length - 1].header.seq;
        this.#queuedBytes -= bytes;
        this.#unsyncedBytes += bytes;
        if (this.#unsyncedBytes >= SYNC_BYTES) this.#beginSync();
      }
    } catch (error) {
      this.#failure ??= error;
    } finally {
      for (const { release } of this.#queue.splice(0)) release?.();
      this.#writing = undefined;
    }
  }

  async #segmentFor(frame: Frame): Promise<Current> {
    if (this.#current !== undefined && this.#current.footer.length >= SEGMENT_BYTES)
      await this.#sealCurrent();
    this.#current ??= await this.#createSegment(frame);
    return this.#current;
  }

  async #createSegment(first: Frame): Promise<Current> {
    const id = randomBytes(16).toString("hex");
    const { seq } = first.header;
    // The index names the segment before its file exists, so that no crash leaves a file that nobody knows of.
    await this.#refs.transaction(() => {
      if (!this.#hasTimeline) this.#putTimeline(first);
      const info = create(SegmentInfoSchema, { state: SegmentState.OPEN, durableLength: 0n });
      this.#refs.segment.put(id, info);
      this.#refs.extent.putSync([this.timelineId, Number(seq)], id);
    });
    this.#hasTimeline = true;
    return { id, file: await this.#segments.create(id), footer: new SegmentFooterBuilder(seq) };
  }

  #putTimeline(first: Frame): void {
    const { base } = this;
    const parent = base && {
      parent: Buffer.from(base.timelineId, "hex"),
      forkSeq: base.predecessor.header.seq,
      forkLsn: first.header.startLsn,
      forkBytes: BigInt(base.bytes),
    };
    const start = base?.start ?? readStartRecord(first);
    const startDigest = base?.startDigest ?? first.digest;
    const info = { start: toBinary(StartRecordSchema, start), startDigest, ...parent };
    this.#refs.timeline.put(this.timelineId, create(TimelineInfoSchema, info));
    this.#refs.lease.put(this.timelineId, create(LeaseSchema, { resumable: this.#resumable }));
  }

  #beginSync(): void {
    if (this.#syncing !== undefined || this.#current === undefined) return;
    const { file, footer, id } = this.#current;
    const seq = this.#writtenSeq;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#sync(file, id, footer.length, SegmentState.OPEN, seq)
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  async #sync(
    file: OpenSegment,
    id: string,
    durableLength: number,
    state: SegmentState,
    seq: bigint,
  ): Promise<void> {
    await file.sync();
    await this.#refs.transaction(() => {
      this.#refs.segment.put(id, create(SegmentInfoSchema, { state, durableLength: BigInt(durableLength) }));
    });
    this.#durableSeq = seq;
    this.onDurable?.(seq);
  }

  #sealCurrent(): Promise<void> {
    this.#sealing = this.#sealOnce();
    return this.#sealing;
  }

  async #sealOnce(): Promise<void> {
    await this.#syncing;
    this.#assertSound();
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    try {
      await current.file.append([current.footer.toBytes()]);
      await this.#sync(
        current.file,
        current.id,
        current.footer.length,
        SegmentState.SEALED,
        this.#writtenSeq,
      );
    } finally {
      await current.file.close();
    }
  }
}
