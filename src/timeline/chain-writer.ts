import type { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
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
  readonly #compressor = Compressor.shared();
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
   * Throws what an earlier frame's making or writing threw.
   */
  async append(kind: FrameKind, startLsn: bigint, endLsn: bigint, records: RecordInit[]): Promise<void> {
    const slot = await this.#compressor.acquire();
    if (this.#failure !== undefined) {
      this.#compressor.release(slot);
      throw this.#failure;
    }
    const content = encodeRecordBatch(records, (length) => slot.content.subarray(0, length));
    const stored = this.#compressor.compress(slot, content.length);
    stored.catch(() => undefined); // reported by #make, which awaits it in its turn
    const facts = { kind, startLsn, endLsn, contentLength: content.length };
    this.#queue = this.#make(this.#queue, facts, slot, stored);
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
    slot: Slot,
    stored: Promise<StoredPayload>,
  ): Promise<void> {
    await before;
    const release = () => this.#compressor.release(slot);
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
