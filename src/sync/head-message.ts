import type { Head as HeadMessage } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { MAX_SEQ } from "../limits.js";
import { DIGEST_BYTES } from "../timeline/frame/frame.js";
import type { Head } from "../timeline/head.js";

/** A head as it travels. */
export function toHeadMessage({ lsn, digest, seq }: Head): { lsn: bigint; digest: Uint8Array; seq: bigint } {
  return { lsn, digest, seq: BigInt(seq) };
}

/** A head as it came. Throws 08P01 if it is missing or cannot be one. */
export function fromHeadMessage(message: HeadMessage | undefined): Head {
  if (message === undefined || message.digest.length !== DIGEST_BYTES || message.seq > BigInt(MAX_SEQ)) {
    throw new NeonError("protocol_violation", "a session message holds no valid head", { party: "protocol" });
  }
  return { lsn: message.lsn, digest: Buffer.from(message.digest), seq: Number(message.seq) };
}
