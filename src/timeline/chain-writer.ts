import type { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../errors.js";
import { MAX_FRAME_CONTENT_BYTES } from "../limits.js";
import { Compressor, type Slot, type StoredPayload } from "./frame/compressor.js";
import { encodeFrame, type Frame } from "./frame/frame.js";
import { encodeRecordBatch, type RecordInit } from "./frame/record-batch.js";
import type { FrameAppender } from "./frame-appender.js";
import { type Head, headOf } from "./head.js";

/** What is known of a frame before its payload is. */
interface Facts {
  readonly kind: FrameKind;
  readonly startLsn: bigint;
  readonly endLsn: bigint;
  readonly contentLength: number;
}

/** Makes the frames of one new chain out of records: serialize, compress, hash, append. */
export class ChainWriter {
  /** Where the frames go. The store makes a branch of it. */
  readonly appender: FrameAppender;
  #queue: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(appender: FrameAppender) {
    this.appender = appender;
  }

  /** Head that a branch of the frames so far would have. Complete after {@link flush}. */
  get head(): Head | undefined {
    const { last } = this.appender;
    return last && headOf(last);
  }

  /** Number of frames. Complete after {@link flush}. */
  get frames(): number {
    return this.appender.frames;
  }

  /** Bytes of the frames. Complete after {@link flush}. */
  get bytes(): number {
    return this.appender.bytes;
  }

  /**
   * Makes the next frame of `records`, about FRAME_CONTENT_BYTES together. Their bytes may be reused once it resolves,
   * which is when the next frame is welcome; frames keep the order of the calls.
   * Throws 54000 for records that no frame can hold, and what an earlier frame's making or writing threw. The first failure
   * is final: a chain has no gaps.
   */
  async append(kind: FrameKind, startLsn: bigint, endLsn: bigint, records: RecordInit[]): Promise<void> {
    // Not kept: after a thread's failure the process has another one.
    const compressor = Compressor.shared();
    const slot = await compressor.acquire();
    const release = () => compressor.release(slot);
    let contentLength: number;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      contentLength = encodeRecordBatch(records, (length) => room(slot, length)).length;
    } catch (error) {
      this.#failure ??= error;
      release();
      throw error;
    }
    const stored = compressor.compress(slot, contentLength);
    stored.catch(() => undefined); // reported by #make, which awaits it in its turn
    this.#queue = this.#make(this.#queue, { kind, startLsn, endLsn, contentLength }, stored, release);
  }

  /** Resolves when everything that was appended is durable. */
  async flush(): Promise<void> {
    await this.#queue;
    if (this.#failure !== undefined) throw this.#failure;
    await this.appender.flush();
  }

  /** Deletes what was written. */
  async abort(): Promise<void> {
    this.#failure ??= new Error("aborted");
    await this.#queue;
    await this.appender.abort();
  }

  async #make(
    before: Promise<void>,
    facts: Facts,
    stored: Promise<StoredPayload>,
    release: () => void,
  ): Promise<void> {
    await before;
    let frame: Frame;
    try {
      frame = await this.#encode(facts, stored);
      if (this.#failure !== undefined) throw this.#failure;
    } catch (error) {
      this.#failure ??= error;
      return release();
    }
    try {
      await this.appender.append(frame, release);
    } catch (error) {
      this.#failure ??= error;
    }
  }

  async #encode(facts: Facts, stored: Promise<StoredPayload>): Promise<Frame> {
    const { codec, payload, sha256 } = await stored;
    const previous = this.appender.last;
    return encodeFrame(
      {
        ...facts,
        seq: previous === undefined ? 0n : previous.header.seq + 1n,
        previousDigest: previous?.digest ?? new Uint8Array(),
        codec,
        storedLength: payload.length,
        payloadSha256: sha256,
      },
      payload,
    );
  }
}

function room({ content }: Slot, length: number): Buffer {
  if (length <= MAX_FRAME_CONTENT_BYTES) return content.subarray(0, length);
  throw new NeonError(
    "program_limit_exceeded",
    `a piece of the cluster is ${length} bytes long, the limit of a frame is ${MAX_FRAME_CONTENT_BYTES}`,
    { party: "source" },
  );
}
