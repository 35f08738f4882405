import { type FrameHeader, FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import type { Record } from "../../gen/neon/pageserver/v1/record_pb.js";
import { BufferPool } from "../buffer-pool.js";
import { NeonError } from "../errors.js";
import type { Lsn } from "../lsn.js";
import type { Extent } from "./chain.js";
import { type DecodedFrame, decodeRecords } from "./frame/decode-records.js";
import { decodeFrame, decodeFrameHead, type Frame, MAX_FRAME_HEAD_BYTES } from "./frame/frame.js";
import { assertSuccessor, type Predecessor } from "./frame/successor.js";
import { isDamage } from "./is-damage.js";
import type { SegmentIndex } from "./segment/segment-footer.js";
import type { SegmentIndexes } from "./segment/segment-indexes.js";
import type { SegmentStore } from "./segment/segment-store.js";

/** Bytes of whole frames that are read at once, about. */
const RUN_BYTES = 4 * 1024 * 1024;

/** Bytes kept for runs to come: one is sent while the next is read. */
const POOL_BYTES = 4 * RUN_BYTES;

const MAX_LSN = 2n ** 64n - 1n;

/** Whole frames as they travel. */
export interface FrameRun {
  /** Whole CopyData messages, one behind the other. Who takes the run owns them, up to `release`. */
  readonly messages: Buffer;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Gives the memory back for a later run, after which nobody may look at it. May be left out. */
  release(): void;
}

/** Where a reader ends. */
export interface ReaderHead {
  readonly seq: number;
  readonly lsn: Lsn;
  /** What the last frame's digest has to be; what its segment's footer says, unless given. */
  readonly digest?: Buffer;
}

/** Reads the frames of one chain up to a head. */
export class ChainReader {
  readonly #segments: SegmentStore;
  readonly #indexes: SegmentIndexes;
  readonly #resolve: () => readonly Extent[];
  readonly #head: ReaderHead;
  #extents: readonly Extent[];

  /** `resolve` finds where the frames lie, in order. It is called again where a segment has been merged into another. */
  constructor(
    segments: SegmentStore,
    indexes: SegmentIndexes,
    resolve: () => readonly Extent[],
    head: ReaderHead,
  ) {
    this.#segments = segments;
    this.#indexes = indexes;
    this.#resolve = resolve;
    this.#head = head;
    this.#extents = resolve();
  }

  /** Where the frames lie: a stretch a segment, in order. */
  get extents(): readonly Extent[] {
    return this.#extents;
  }

  /** Number of the last frame. */
  get lastSeq(): number {
    return this.#head.seq;
  }

  /** Reads the same frames up to `seq`, all of which counts. */
  upTo(seq: number): ChainReader {
    const resolve = () =>
      this.#resolve()
        .filter(({ firstSeq }) => firstSeq <= seq)
        .map((extent) => ({ ...extent, lastSeq: Math.min(extent.lastSeq, seq) }));
    return new ChainReader(this.#segments, this.#indexes, resolve, { seq, lsn: MAX_LSN });
  }

  /** Frames from `firstSeq` to the head, undecoded, in runs of about 4 MiB that end between frames. */
  async *runs(firstSeq: number): AsyncIterable<FrameRun> {
    const pool = new BufferPool(POOL_BYTES);
    for (let seq = firstSeq; seq <= this.#head.seq; ) {
      const run = await this.#at(seq, async ({ segmentId, lastSeq }, { offsets, firstSeq: base }) => {
        const start = offsets[seq - base];
        let end = seq + 1;
        while (end <= lastSeq && offsets[end + 1 - base] - start <= RUN_BYTES) end++;
        const length = offsets[end - base] - start;
        const messages = await this.#segments.read(segmentId, start, length, pool.take(length));
        if (messages.length !== length) throw lost(segmentId);
        return { messages, firstSeq: seq, lastSeq: end - 1, release: () => pool.give(messages) };
      });
      seq = run.lastSeq + 1;
      yield run;
    }
  }

  /**
   * Frames from `firstSeq` to the head, each checked: digest chain, payload hash, place. Throws XX001 for damage.
   * The frame before `firstSeq` is read only to check the first one's place, and not if it is given.
   */
  async *frames(firstSeq = 0, before?: Predecessor): AsyncIterable<Frame> {
    let previous = firstSeq === 0 ? undefined : (before ?? (await this.frame(firstSeq - 1)));
    for await (const { messages } of this.runs(firstSeq)) {
      for (let offset = 0; offset < messages.length; ) {
        const end = offset + 1 + messages.readInt32BE(offset + 1);
        const frame = decodeFrame(messages.subarray(offset, end));
        assertSuccessor(previous, frame);
        yield frame;
        previous = frame;
        offset = end;
      }
    }
    if (
      previous === undefined ||
      !previous.digest.equals(this.#head.digest ?? (await this.digest(this.#head.seq)))
    ) {
      throw new NeonError("data_corrupted", "the chain does not end at the branch's head", {
        party: "source",
      });
    }
  }

  /**
   * The same frames with their records. WAL beyond the LSN up to which a frame counts is left
   * out: where another history forked inside it, the next frame begins before its end.
   */
  async *decodedFrames(firstSeq = 0, before?: Predecessor): AsyncIterable<DecodedFrame> {
    const frames = this.frames(firstSeq, before)[Symbol.asyncIterator]();
    try {
      let { value: frame } = await frames.next();
      while (frame !== undefined) {
        let next: IteratorResult<Frame> | undefined;
        let failure: unknown;
        let end: Lsn | undefined;
        try {
          next = await frames.next();
          end = next.done ? this.#head.lsn : next.value.header.startLsn;
        } catch (error) {
          failure = error; // of the next frame: this one is whole
          end = await this.checkedLsn(Number(frame.header.seq)).catch(() => undefined);
        }
        yield decodeUpTo(frame, end);
        if (next === undefined) throw failure;
        frame = next.value;
      }
    } finally {
      await frames.return?.();
    }
  }

  /**
   * The frames of WAL from `firstSeq` to the head, with their records, cut as by {@link decodedFrames}. Of other frames
   * only the headers are read. Each is checked against the digest in its segment's footer. Throws XX001 for damage.
   */
  async *walFrames(firstSeq = 0): AsyncIterable<DecodedFrame> {
    let header: FrameHeader | undefined = await this.#checkedHeader(firstSeq);
    for (let seq = firstSeq; header !== undefined; seq++) {
      let next: FrameHeader | undefined;
      let failure: unknown;
      try {
        if (seq < this.#head.seq) next = await this.#checkedHeader(seq + 1);
      } catch (error) {
        failure = error; // of the next frame
      }
      if (header.kind === FrameKind.WAL) {
        yield decodeUpTo(await this.frame(seq), seq === this.#head.seq ? this.#head.lsn : next?.startLsn);
      }
      if (failure !== undefined) throw failure;
      header = next;
    }
  }

  /** One frame, checked. Throws XX001 for damage. */
  async frame(seq: number): Promise<Frame> {
    const frame = await this.#at(seq, async ({ segmentId }, { offsets, firstSeq }) => {
      const start = offsets[seq - firstSeq];
      const length = offsets[seq - firstSeq + 1] - start;
      const message = await this.#segments.read(segmentId, start, length);
      if (message.length !== length) throw lost(segmentId);
      return decodeFrame(message);
    });
    // What follows it relies on its header, which the hash of the payload does not cover.
    await this.#assertHeader(seq, frame.digest);
    return frame;
  }

  /** Digest of frame `seq`, which must not lie behind the head. */
  async digest(seq: number): Promise<Buffer> {
    const { seq: last, digest } = this.#head;
    if (seq === last && digest !== undefined) return digest;
    return this.#at(seq, async (_, index) => index.digest(seq - index.firstSeq));
  }

  /**
   * How far frame `seq` counts in this chain: its end LSN, or less where the chain forked inside it or ends there. That
   * stands in the next frame: where that one is damaged it is the end LSN, which no chain goes beyond.
   */
  async lsn(seq: number): Promise<Lsn> {
    try {
      return await this.checkedLsn(seq);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return this.#at(seq, async (_, index) => index.endLsn(seq - index.firstSeq));
    }
  }

  /** The same. Throws XX001 where that would be read from a header that was changed. */
  async checkedLsn(seq: number): Promise<Lsn> {
    return seq === this.#head.seq ? this.#head.lsn : (await this.#checkedHeader(seq + 1)).startLsn;
  }

  /** Number of the first frame that counts up to `lsn` or more; undefined if `lsn` lies behind the head. */
  async find(lsn: Lsn): Promise<number | undefined> {
    let [low, high] = [0, this.#head.seq + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((await this.lsn(middle)) >= lsn) high = middle;
      else low = middle + 1;
    }
    return low > this.#head.seq ? undefined : low;
  }

  /** Bytes of the frames `firstSeq` to `lastSeq`. */
  async bytes(firstSeq: number, lastSeq: number): Promise<number> {
    let bytes = 0;
    for (let seq = firstSeq; seq <= lastSeq; ) {
      const next = await this.#at(seq, async (extent, { offsets, firstSeq: base }) => {
        const end = Math.min(lastSeq, extent.lastSeq) + 1;
        if (end - base >= offsets.length) throw lost(extent.segmentId);
        return { end, bytes: offsets[end - base] - offsets[seq - base] };
      });
      bytes += next.bytes;
      seq = next.end;
    }
    return bytes;
  }

  #frameHead(seq: number): Promise<Predecessor> {
    return this.#at(seq, async ({ segmentId }, { offsets, firstSeq }) => {
      const start = offsets[seq - firstSeq];
      const length = Math.min(MAX_FRAME_HEAD_BYTES, offsets[seq - firstSeq + 1] - start);
      return decodeFrameHead(await this.#segments.read(segmentId, start, length));
    });
  }

  async #checkedHeader(seq: number): Promise<FrameHeader> {
    const { header, digest } = await this.#frameHead(seq);
    await this.#assertHeader(seq, digest);
    return header;
  }

  async #assertHeader(seq: number, digest: Buffer): Promise<void> {
    if (digest.equals(await this.digest(seq))) return;
    throw new NeonError("data_corrupted", `frame ${seq} is damaged: its header is not as it was written`, {
      party: "source",
    });
  }

  /** Looks at the segment that holds frame `seq`, and if it has been merged into another meanwhile, at that one. */
  async #at<T>(seq: number, look: (extent: Extent, index: SegmentIndex) => Promise<T>): Promise<T> {
    for (;;) {
      const extent = this.#extent(seq);
      try {
        const index = await this.#indexes.get(extent.segmentId);
        if (seq - index.firstSeq >= index.offsets.length - 1) throw lost(extent.segmentId);
        return await look(extent, index);
      } catch (error) {
        this.#extents = this.#resolve();
        if (this.#extent(seq).segmentId === extent.segmentId) throw error;
      }
    }
  }

  #extent(seq: number): Extent {
    const extent = this.#extents.findLast((candidate) => candidate.firstSeq <= seq);
    if (extent === undefined || seq > this.#head.seq) throw new RangeError(`no frame ${seq}`);
    return extent;
  }
}

function decodeUpTo(frame: Frame, end: Lsn | undefined): DecodedFrame {
  const decoded = decodeRecords(frame);
  // Part of a WAL record larger than a frame lies beyond the end LSN of its own frame.
  if (end === undefined || end >= frame.header.endLsn) return decoded;
  return { ...decoded, records: cutWal(decoded.records, end) };
}

function cutWal(records: Record[], limit: Lsn): Record[] {
  const kept: Record[] = [];
  for (const record of records) {
    if (record.record.case === "wal") {
      const { value } = record.record;
      if (value.startLsn >= limit) continue;
      const length = Number(limit - value.startLsn);
      if (length < value.data.length) value.data = value.data.subarray(0, length);
    }
    kept.push(record);
  }
  return kept;
}

function lost(segmentId: string): NeonError {
  return new NeonError("data_corrupted", `segment ${segmentId} lacks frames of its branch`, {
    party: "source",
  });
}
