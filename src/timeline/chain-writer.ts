import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { RecordBatchSchema, type RecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { compress, type StoredPayload } from "./codec.js";
import { encodeFrame, sha256 } from "./frame.js";
import type { FrameAppender } from "./frame-appender.js";
import { type Head, headOf } from "./head.js";

/** Frames whose content may be compressed at once. */
const FRAMES_IN_THE_MAKING = 4;

/** Makes the frames of one new chain out of records: serialize, compress, hash, append. */
export class ChainWriter {
  /** Where the frames go. The store makes a branch of it. */
  readonly appender: FrameAppender;
  #queue: Promise<void> = Promise.resolve();
  #making = 0;
  #welcome: (() => void)[] = [];
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
    const { last } = this.appender;
    return last === undefined ? 0 : Number(last.header.seq) + 1;
  }

  /** Bytes of the frames. Complete after {@link flush}. */
  get bytes(): number {
    return this.appender.bytes;
  }

  /**
   * Makes the next frame of `records`, about FRAME_CONTENT_BYTES together. They are serialized before the call returns,
   * so that their bytes may be reused then. Resolves when the next frame is welcome.
   * Throws what an earlier frame's making or writing threw.
   */
  async append(
    kind: FrameKind,
    startLsn: bigint,
    endLsn: bigint,
    records: MessageInitShape<typeof RecordSchema>[],
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const content = Buffer.from(toBinary(RecordBatchSchema, create(RecordBatchSchema, { records })).buffer);
    const stored = compress(content);
    stored.catch(() => undefined); // reported by #make, which awaits it in its turn
    this.#making++;
    const before = this.#queue;
    this.#queue = this.#make(before, { kind, startLsn, endLsn, contentLength: content.length }, stored);
    if (this.#making >= FRAMES_IN_THE_MAKING)
      await new Promise<void>((resolve) => this.#welcome.push(resolve));
    if (this.#failure !== undefined) throw this.#failure;
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
    facts: { kind: FrameKind; startLsn: bigint; endLsn: bigint; contentLength: number },
    stored: Promise<StoredPayload>,
  ): Promise<void> {
    await before;
    try {
      if (this.#failure !== undefined) return;
      const { codec, payload } = await stored;
      const previous = this.appender.last;
      const frame = encodeFrame(
        {
          ...facts,
          seq: previous === undefined ? 0n : previous.header.seq + 1n,
          previousDigest: previous?.digest ?? new Uint8Array(),
          codec,
          storedLength: payload.length,
          payloadSha256: sha256(payload),
        },
        payload,
      );
      await this.appender.append(frame);
    } catch (error) {
      this.#failure ??= error;
    } finally {
      this.#making--;
      this.#welcome.shift()?.();
    }
  }
}
