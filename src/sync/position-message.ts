import type { FramePosition } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { MAX_SEQ } from "../limits.js";
import { DIGEST_BYTES } from "../timeline/frame/frame.js";
import type { Position } from "./party.js";

/** A position as it travels. */
export function toPositionMessage({ seq, digest, lsn }: Position) {
  return { seq: BigInt(seq), digest, lsn };
}

/** Positions as they came. Throws 08P01 if one cannot be one, or lies behind frame `lastSeq`. */
export function fromPositionMessages(messages: readonly FramePosition[], lastSeq: number): Position[] {
  return messages.map(({ seq, digest, lsn }) => {
    if (digest.length !== DIGEST_BYTES || seq > BigInt(Math.min(lastSeq, MAX_SEQ))) {
      throw new NeonError("protocol_violation", "a session message names a frame that cannot be there", {
        party: "protocol",
      });
    }
    return { seq: Number(seq), digest: Buffer.from(digest), lsn };
  });
}
