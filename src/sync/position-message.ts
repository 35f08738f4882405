import type { FramePosition } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { DIGEST_BYTES } from "../timeline/frame/frame.js";
import { type Head, sameHead } from "../timeline/head.js";
import type { Position } from "./party.js";

/** A position as it travels. */
export function toPositionMessage({ seq, digest, lsn }: Position) {
  return { seq: BigInt(seq), digest, lsn };
}

/** Positions as they came. Throws 08P01 if one cannot be one, or lies after frame `lastSeq`. */
export function fromPositionMessages(messages: readonly FramePosition[], lastSeq: number): Position[] {
  return messages.map(({ seq, digest, lsn }) => {
    if (digest.length !== DIGEST_BYTES || seq > BigInt(lastSeq))
      throw impossible("a session message names a frame that cannot be there");
    return { seq: Number(seq), digest: Buffer.from(digest), lsn };
  });
}

/** The same of frames that a sender names, whose head is `head`. Throws 08P01 too if it names its last one otherwise. */
export function fromSendersPositions(messages: readonly FramePosition[], head: Head): Position[] {
  const positions = fromPositionMessages(messages, head.seq);
  if (positions.some((position) => position.seq === head.seq && !sameHead(position, head)))
    throw impossible("the sender's frames do not end at the head that it offers");
  return positions;
}

function impossible(problem: string): NeonError {
  return new NeonError("protocol_violation", problem, { party: "protocol" });
}
