import { Codec, FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../errors.js";
import { MAX_FRAME_CONTENT_BYTES, MAX_SEQ } from "../../limits.js";
import { formatLsn } from "../../lsn.js";
import { assertContentLength, CODECS } from "./codec.js";
import { DIGEST_BYTES, type Frame } from "./frame.js";

const KINDS: readonly FrameKind[] = [FrameKind.START, FrameKind.BASE, FrameKind.WAL];
const RESERVED_KINDS: Readonly<Record<number, string>> = { 4: "snapshot" };

/** What a frame's successor has to know of it. */
export type Predecessor = Pick<Frame, "header" | "digest">;

/**
 * Checks that `frame` may stand behind `previous` (undefined: first of a chain): number, digest, LSNs, kind, codec and
 * lengths. Throws XX001 for a broken chain, 0A000 for a kind or codec of a later version, 54000 beyond a limit.
 */
export function assertSuccessor(previous: Predecessor | undefined, frame: Frame): void {
  const { header } = frame;
  const { seq } = header;
  if (seq > BigInt(MAX_SEQ)) throw broken(seq, "its number is above 2^53");
  assertKnown(frame);
  if (header.contentLength > MAX_FRAME_CONTENT_BYTES) {
    throw new NeonError(
      "program_limit_exceeded",
      `frame ${seq} claims ${header.contentLength} bytes after decompression, the limit is ${MAX_FRAME_CONTENT_BYTES}`,
      { party: "source" },
    );
  }
  assertContentLength(header.codec, frame.payload, header.contentLength);
  if (header.endLsn < header.startLsn) throw broken(seq, "it ends before it starts");
  if ((header.kind === FrameKind.START) !== (seq === 0n))
    throw broken(seq, "a start frame is the first of a chain, and only it");
  if (previous === undefined) {
    if (seq !== 0n || header.previousDigest.length !== 0)
      throw broken(seq, "a chain begins with frame 0, which names no other");
    return;
  }
  if (seq !== previous.header.seq + 1n) throw broken(seq, `it follows frame ${previous.header.seq}`);
  if (header.previousDigest.length !== DIGEST_BYTES || !previous.digest.equals(header.previousDigest)) {
    throw broken(seq, "it names another frame as the previous one");
  }
  const { startLsn, endLsn } = previous.header;
  const inside = header.startLsn > startLsn && header.startLsn <= endLsn;
  if (!inside && header.startLsn !== endLsn) {
    throw broken(seq, `it starts at ${formatLsn(header.startLsn)}, outside the previous frame`);
  }
}

function assertKnown({ header }: Frame): void {
  if (!KINDS.includes(header.kind)) {
    const name = RESERVED_KINDS[header.kind] ?? String(header.kind);
    throw unsupported(`frame ${header.seq} is of kind "${name}"`);
  }
  if (!CODECS.includes(header.codec)) {
    throw unsupported(`frame ${header.seq} uses codec ${Codec[header.codec] ?? header.codec}`);
  }
}

function unsupported(what: string): NeonError {
  return new NeonError("feature_not_supported", `${what}, which this version does not know`, {
    party: "source",
    hint: "Use the same version of neon at both ends.",
  });
}

function broken(seq: bigint, reason: string): NeonError {
  return new NeonError("data_corrupted", `frame ${seq} breaks its chain: ${reason}`, { party: "source" });
}
