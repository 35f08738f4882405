import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SegmentFooter, SegmentFooterSchema } from "../../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../../errors.js";
import { DIGEST_BYTES, type Frame, sha256 } from "../frame/frame.js";
import type { SegmentStore } from "./segment-store.js";

const MAGIC = Buffer.from("NSEG");
const TRAILER_BYTES = DIGEST_BYTES + 4 + MAGIC.length;

/** Where the frames of one segment lie. */
export interface SegmentIndex {
  /** Number of the first frame. */
  readonly firstSeq: number;
  /** Offset of each frame's CopyData message in bytes, and at the end the length of all. */
  readonly offsets: readonly number[];
  /** Digest of frame `firstSeq + i`. */
  digest(i: number): Buffer;
  /** End LSN of frame `firstSeq + i`. */
  endLsn(i: number): bigint;
}

/** Collects a segment's footer while its frames are appended; until the file has it, this is the segment's index. */
export class SegmentFooterBuilder implements SegmentIndex {
  readonly firstSeq: number;
  readonly offsets: number[] = [0];
  readonly #digests: Buffer[] = [];
  readonly #endLsns: bigint[] = [];

  constructor(firstSeq: number) {
    this.firstSeq = firstSeq;
  }

  /** Bytes of the frames so far. */
  get length(): number {
    return this.offsets[this.offsets.length - 1];
  }

  /** See SegmentIndex. */
  digest(i: number): Buffer {
    return this.#digests[i];
  }

  /** See SegmentIndex. */
  endLsn(i: number): bigint {
    return this.#endLsns[i];
  }

  add(frame: Frame): void {
    this.#digests.push(frame.digest);
    this.#endLsns.push(frame.header.endLsn);
    this.offsets.push(this.length + frame.length);
  }

  /** Adds the first `count` frames of another segment. */
  addFrom(index: SegmentIndex, count: number): void {
    const begin = this.length;
    for (let i = 0; i < count; i++) {
      this.#digests.push(index.digest(i));
      this.#endLsns.push(index.endLsn(i));
      this.offsets.push(begin + index.offsets[i + 1]);
    }
  }

  /** Forgets the frames behind the first `bytes` bytes, which end between two. */
  cut(bytes: number): void {
    while (this.length > bytes) {
      this.#digests.pop();
      this.#endLsns.pop();
      this.offsets.pop();
    }
  }

  /** The bytes that follow the last frame. */
  toBytes(): Buffer {
    const footer = toBinary(
      SegmentFooterSchema,
      create(SegmentFooterSchema, {
        firstSeq: BigInt(this.firstSeq),
        offsets: this.offsets.map(BigInt),
        digests: Buffer.concat(this.#digests),
        endLsns: this.#endLsns,
      }),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32BE(footer.length);
    return Buffer.concat([footer, sha256(footer), length, MAGIC]);
  }
}

/** Reads the footer of a sealed segment. Throws XX001 if it is damaged. */
export async function readSegmentFooter(segments: SegmentStore, id: string): Promise<SegmentIndex> {
  const fileLength = await segments.length(id);
  const trailer = await segments.read(id, Math.max(0, fileLength - TRAILER_BYTES), TRAILER_BYTES);
  if (trailer.length < TRAILER_BYTES || !trailer.subarray(DIGEST_BYTES + 4).equals(MAGIC)) throw damaged(id);
  const length = trailer.readUInt32BE(DIGEST_BYTES);
  const framesLength = fileLength - TRAILER_BYTES - length;
  if (framesLength < 0) throw damaged(id);
  const bytes = await segments.read(id, framesLength, length);
  if (!sha256(bytes).equals(trailer.subarray(0, DIGEST_BYTES))) throw damaged(id);
  const footer = parse(id, bytes);
  const offsets = footer.offsets.map(Number);
  const count = offsets.length - 1;
  const digests = Buffer.from(footer.digests.buffer, footer.digests.byteOffset, footer.digests.length);
  if (
    offsets[count] !== framesLength ||
    digests.length !== count * DIGEST_BYTES ||
    footer.endLsns.length !== count
  ) {
    throw damaged(id);
  }
  return {
    firstSeq: Number(footer.firstSeq),
    offsets,
    digest: (i) => digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES),
    endLsn: (i) => footer.endLsns[i],
  };
}

function parse(id: string, bytes: Buffer): SegmentFooter {
  try {
    return fromBinary(SegmentFooterSchema, bytes);
  } catch (cause) {
    throw damaged(id, cause);
  }
}

function damaged(id: string, cause?: unknown): NeonError {
  return new NeonError("data_corrupted", `the footer of segment ${id} is damaged`, {
    party: "source",
    cause,
  });
}
