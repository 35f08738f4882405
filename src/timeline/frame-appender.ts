import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { LeaseSchema } from "../../gen/neon/store/v1/store_pb.js";
import type { Base } from "./base.js";
import type { Frame } from "./frame/frame.js";
import { assertSuccessor, type Predecessor } from "./frame/successor.js";
import { removeTimeline } from "./garbage.js";
import { leaseDeadline } from "./lease-deadline.js";
import type { Shelf } from "./segment/seal-segment.js";
import { SegmentWriter } from "./segment/segment-writer.js";

/** Bytes that may wait to be written before `append` holds its caller back. */
const QUEUE_BYTES = 16 * 1024 * 1024;

/** What an appender works with. */
export interface FrameAppenderOptions extends Shelf {
  /** Absent for a new chain. */
  readonly base?: Base | undefined;
  /** Whether what is durable is of use to another attempt, if this one breaks off. */
  readonly resumable: boolean;
  /** Called when the appender has closed its last file. */
  onEnd(): void;
}

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

  readonly #shelf: Shelf;
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

  constructor(options: FrameAppenderOptions) {
    const { base, resumable } = options;
    this.#shelf = options;
    this.#resumable = resumable;
    this.#onEnd = options.onEnd;
    this.#writer = new SegmentWriter({ ...options, timelineId: this.timelineId });
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

  /**
   * Breaks off. What is durable and of use to another attempt is kept for it, for a day; the rest is deleted. After a
   * failure that is what was durable before it: another session may have built on that already.
   */
  async suspend(): Promise<void> {
    if (!this.#resumable) return this.abort();
    await this.seal().catch(() => this.#sealDurable());
    if (this.#closed || !this.#writer.hasTimeline) return;
    if (!this.#writer.hasDurable) return this.abort();
    const { refs } = this.#shelf;
    const lease = create(LeaseSchema, { deadline: leaseDeadline(), resumable: true });
    await refs.transaction(() => refs.lease.put(this.timelineId, lease));
  }

  /** Deletes everything that it has written. Nobody can have built on it: it is not resumable, or nothing is durable. */
  async abort(): Promise<void> {
    await this.#stop();
    const { refs, segments } = this.#shelf;
    if (this.#closed || !this.#writer.hasTimeline) return;
    await removeTimeline(refs, segments, this.timelineId);
  }

  async #stop(): Promise<void> {
    this.#writer.fail(new Error("closed"));
    await this.#writing;
    await this.#writer.close();
    this.#onEnd();
  }

  async #sealDurable(): Promise<void> {
    if (this.#closed) return;
    await this.#writing;
    // Where the disk does not take the footer either, the next opening of the store writes it.
    await this.#writer.sealDurable().catch(() => undefined);
    this.#onEnd();
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
