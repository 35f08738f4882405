import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { LeaseSchema, SegmentInfoSchema, SegmentState } from "../../gen/neon/store/v1/store_pb.js";
import { SEGMENT_BYTES } from "../limits.js";
import type { Frame } from "./frame.js";
import type { Refs } from "./refs.js";
import { SegmentFooterBuilder } from "./segment-footer.js";
import type { OpenSegment, SegmentStore } from "./segment-store.js";
import { assertSuccessor, type Predecessor } from "./successor.js";

/** Bytes that may wait to be written before `append` holds its caller back. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Bytes written after which the next sync begins, while more is being written. */
const SYNC_BYTES = 16 * 1024 * 1024;

/** A segment that an appender has written. */
export interface WrittenSegment {
  readonly id: string;
  readonly firstSeq: bigint;
}

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
 * Appends frames to segments of one session, under the session's lease.
 *
 * Frames are checked against their predecessor, queued, written in order by one loop, and synced by another, so that
 * the disk's work overlaps with the making of the next frames. Order of durability: segment, directory, LMDB; then
 * `onDurable` is told. The first failure is final: every later call throws it.
 */
export class FrameAppender {
  readonly sessionId = randomBytes(16).toString("hex");
  /** Segments so far, in order. */
  readonly written: WrittenSegment[] = [];
  /** Called with the number of the last durable frame. */
  onDurable: ((seq: bigint) => void) | undefined;

  readonly #segments: SegmentStore;
  readonly #refs: Refs;
  #current: Current | undefined;
  #last: Predecessor | undefined;
  #bytes = 0;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #unsyncedBytes = 0;
  #writtenSeq = -1n;
  #durableSeq = -1n;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: unknown;

  readonly #onEnd: () => void;

  /** `onEnd` is called when the appender has closed its last file. */
  constructor(segments: SegmentStore, refs: Refs, onEnd: () => void) {
    this.#segments = segments;
    this.#refs = refs;
    this.#onEnd = onEnd;
  }

  /** The last frame that was appended. */
  get last(): Predecessor | undefined {
    return this.#last;
  }

  /** Bytes of all frames that were appended. */
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

  /** Stops, and leaves what it has written to the next opening of the store. */
  async close(): Promise<void> {
    this.#failure ??= new Error("closed");
    await this.#writing;
    await this.#syncing;
    await this.#current?.file.close();
    this.#current = undefined;
    this.#onEnd();
  }

  /** Deletes every segment of the session and ends its lease. */
  async abort(): Promise<void> {
    await this.close();
    for (const { id } of this.written) await this.#segments.delete(id);
    await this.#refs.transaction(() => {
      for (const { id } of this.written) this.#refs.segment.remove(id);
      this.#refs.lease.remove(this.sessionId);
    });
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
    this.#current ??= await this.#createSegment(frame.header.seq);
    return this.#current;
  }

  async #createSegment(firstSeq: bigint): Promise<Current> {
    const id = randomBytes(16).toString("hex");
    this.written.push({ id, firstSeq });
    // The lease names the segment before its file exists, so that no crash leaves a file that nobody knows of.
    await this.#refs.transaction(() => {
      const segmentIds = this.written.map((segment) => Buffer.from(segment.id, "hex"));
      this.#refs.lease.put(this.sessionId, create(LeaseSchema, { segmentIds }));
    });
    return { id, file: await this.#segments.create(id), footer: new SegmentFooterBuilder(firstSeq) };
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

  async #sealCurrent(): Promise<void> {
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
