import { fromBinary } from "@bufbuild/protobuf";
import type { FrameHeader } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { type Record, RecordBatchSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../errors.js";
import { decompress } from "./codec.js";
import { decodeFrame, type Frame } from "./frame.js";
import type { Head } from "./head.js";
import { readSegmentFooter, type SegmentIndex } from "./segment-footer.js";
import type { SegmentStore } from "./segment-store.js";
import { assertSuccessor, type Predecessor } from "./successor.js";

/** Bytes of whole frames that are read at once, about. */
const RUN_BYTES = 4 * 1024 * 1024;

/** Whole frames as they travel. */
export interface FrameRun {
  /** Whole CopyData messages, one behind the other. The receiver of the run owns them. */
  readonly messages: Buffer;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** A frame with its records. */
export interface DecodedFrame {
  readonly header: FrameHeader;
  readonly digest: Buffer;
  /** Their bytes belong to this frame. */
  readonly records: Record[];
}

/** A part of a chain: frames from `firstSeq` on, up to the next extent. */
export interface Extent {
  readonly segmentId: string;
  readonly firstSeq: number;
}

/** Reads the frames of one chain up to a head. */
export class ChainReader {
  readonly #segments: SegmentStore;
  readonly #extents: readonly Extent[];
  readonly #head: Head;
  readonly #indexes = new Map<string, Promise<SegmentIndex>>();

  /** `extents` in order, the first one from frame 0. */
  constructor(segments: SegmentStore, extents: readonly Extent[], head: Head) {
    this.#segments = segments;
    this.#extents = extents;
    this.#head = head;
  }

  /** Frames from `firstSeq` to the head, undecoded, in runs of about 4 MiB that end between frames. */
  async *runs(firstSeq: number): AsyncIterable<FrameRun> {
    for (const [i, extent] of this.#extents.entries()) {
      const last = Math.min(this.#head.seq, (this.#extents[i + 1]?.firstSeq ?? Infinity) - 1);
      let seq = Math.max(firstSeq, extent.firstSeq);
      if (seq > last) continue;
      const { offsets, firstSeq: base } = await this.#index(extent.segmentId);
      if (offsets.length - 1 <= last - base) throw lost(extent.segmentId);
      while (seq <= last) {
        const start = offsets[seq - base];
        let end = seq + 1;
        while (end <= last && offsets[end + 1 - base] - start <= RUN_BYTES) end++;
        const length = offsets[end - base] - start;
        const messages = await this.#segments.read(extent.segmentId, start, length);
        if (messages.length !== length) throw lost(extent.segmentId);
        yield { messages, firstSeq: seq, lastSeq: end - 1 };
        seq = end;
      }
    }
  }

  /** Frames from the first to the head, each checked: digest chain, payload hash, place. Throws XX001 for damage. */
  async *frames(): AsyncIterable<Frame> {
    let previous: Predecessor | undefined;
    for await (const { messages } of this.runs(0)) {
      for (let offset = 0; offset < messages.length; ) {
        const end = offset + 1 + messages.readInt32BE(offset + 1);
        const frame = decodeFrame(messages.subarray(offset, end));
        assertSuccessor(previous, frame);
        yield frame;
        previous = frame;
        offset = end;
      }
    }
    if (previous === undefined || !previous.digest.equals(this.#head.digest)) {
      throw new NeonError("data_corrupted", "the chain does not end at the branch's head", {
        party: "source",
      });
    }
  }

  /** The same frames with their records. */
  async *decodedFrames(): AsyncIterable<DecodedFrame> {
    for await (const frame of this.frames()) yield decodeRecords(frame);
  }

  /** Digest of frame `seq`, which must not lie behind the head. */
  async digest(seq: number): Promise<Buffer> {
    const extent = this.#extents.findLast((candidate) => candidate.firstSeq <= seq);
    if (extent === undefined || seq > this.#head.seq) throw new RangeError(`no frame ${seq}`);
    const index = await this.#index(extent.segmentId);
    return index.digest(seq - index.firstSeq);
  }

  #index(segmentId: string): Promise<SegmentIndex> {
    let index = this.#indexes.get(segmentId);
    if (index === undefined) {
      index = readSegmentFooter(this.#segments, segmentId);
      this.#indexes.set(segmentId, index);
    }
    return index;
  }
}

/** Decompresses a frame and parses its records. Throws XX001 for content that cannot be parsed. */
export function decodeRecords(frame: Frame): DecodedFrame {
  const { header, digest } = frame;
  const content = decompress(header.codec, frame.payload, header.contentLength);
  try {
    return { header, digest, records: fromBinary(RecordBatchSchema, content).records };
  } catch (cause) {
    throw new NeonError("data_corrupted", `the content of frame ${header.seq} cannot be parsed`, {
      party: "source",
      cause,
    });
  }
}

function lost(segmentId: string): NeonError {
  return new NeonError("data_corrupted", `segment ${segmentId} lacks frames of its branch`, {
    party: "source",
  });
}
