import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { LeaseSchema } from "../../gen/neon/store/v1/store_pb.js";
import type { Base } from "./base.js";
import type { Frame } from "./frame.js";
import { removeTimeline } from "./garbage.js";
import type { Refs } from "./refs.js";
import type { SegmentStore } from "./segment-store.js";
import { SegmentWriter } from "./segment-writer.js";
import { assertSuccessor, type Predecessor } from "./successor.js";

/** Bytes that may wait to be written before `append` holds its caller back. */
const QUEUE_BYTES = 16 * 1024 * 1024;

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

interface Queued {
  readonly frame: Frame;
  readonly release: (() => void) | undefined;
}

/**
 * Appends frames to a timeline of its own, under a lease: nothing is visible before the store moves a branch there.
 *
 * Frames are checked against their predecessor, queued, and written in order by one loop, beside which SegmentWriter
 * syncs, so that the disk's work overlaps with the making of the next frames. The first failure is final: every later
 * call throws it.
 */
export class FrameAppender {
  readonly timelineId = randomBytes(16).toString("hex");
  readonly base: Base | undefined;

  readonly #segments: SegmentStore;
  readonly #refs: Refs;
  readonly #resumable: boolean;
  readonly #onEnd: () => void;
  readonly #writer: SegmentWriter;
  #last: Predecessor | undefined;
  #frames = 0;
  #bytes = 0;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor({ segments, refs, base, resumable, onEnd }: FrameAppenderOptions) {
    this.#segments = segments;
    this.#refs = refs;
    this.#resumable = resumable;
    this.#onEnd = onEnd;
    this.#writer = new SegmentWriter({ segments, refs, timelineId: this.timelineId, base, resumable });
    this.base = base;
    this.#last = base?.predecessor;
  }

  /** Is called with the number of the last durable frame. */
  set onDurable(listener: (seq: bigint) => void) {
    this.#writer.onDurable = listener;
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
      this.#writer.assertSound();
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
    this.#writer.assertSound();
  }

  /** Resolves when every appended frame is durable. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#writer.flush();
  }

  /** Flushes and seals the last segment; nothing can be appended afterwards. */
  async seal(): Promise<void> {
    await this.flush();
    await this.#writer.seal();
    this.#onEnd();
  }

  /** Stops, and leaves what it has written to the next opening of the store; a later abort leaves it there too. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#writer.fail(new Error("closed"));
    await this.#writing;
    await this.#writer.close();
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
    if (!this.#writer.hasTimeline) return;
    const deadline = BigInt(Math.floor(Date.now() / 1000) + LEASE_SECONDS);
    await this.#refs.transaction(() => {
      this.#refs.lease.put(this.timelineId, create(LeaseSchema, { deadline, resumable: true }));
    });
  }

  /** Deletes everything that it has written. */
  async abort(): Promise<void> {
    await this.#stop();
    if (this.#closed) return;
    if (this.#writer.hasTimeline) await removeTimeline(this.#refs, this.#segments, this.timelineId);
  }

  async #writeQueue(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#writer.failed) {
        const queued = this.#queue;
        this.#queue = [];
        const frames = queued.map(({ frame }) => frame);
        try {
          await this.#writer.write(frames);
        } finally {
          for (const { release } of queued) release?.();
        }
        this.#queuedBytes -= frames.reduce((sum, frame) => sum + frame.length, 0);
      }
    } catch (error) {
      this.#writer.fail(error);
    } finally {
      for (const { release } of this.#queue.splice(0)) release?.();
      this.#writing = undefined;
    }
  }
}
