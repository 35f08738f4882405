import lz4 from "lz4-napi";
import { Codec } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../errors.js";

/** Codecs that this end can decompress, best first. */
export const CODECS: readonly Codec[] = [Codec.LZ4, Codec.NONE];

/**
 * Checks that a stored payload can only become `contentLength` bytes, by the codec's own prefix and without calling the
 * codec: four kilobytes that claim four gigabytes made one take them. Throws XX001.
 */
export function assertContentLength(codec: Codec, payload: Buffer, contentLength: number): void {
  const claimed = codec === Codec.LZ4 ? (payload.length < 4 ? -1 : payload.readUInt32LE(0)) : payload.length;
  if (claimed !== contentLength) {
    throw new NeonError(
      "data_corrupted",
      `a frame's payload claims ${claimed} bytes after decompression, its header ${contentLength}`,
      { party: "source" },
    );
  }
}

/**
 * Returns a stored payload's content, in a buffer of its own where it was compressed. Throws XX001 for damage.
 *
 * On the calling thread: what the thread pool decompresses stays in its allocator's arenas (8 times the memory, measured).
 */
export function decompress(codec: Codec, payload: Buffer, contentLength: number): Buffer {
  assertContentLength(codec, payload, contentLength);
  if (codec === Codec.NONE) return payload;
  try {
    return lz4.uncompressSync(payload);
  } catch (cause) {
    throw new NeonError("data_corrupted", "a frame's payload cannot be decompressed", {
      party: "source",
      cause,
    });
  }
}
