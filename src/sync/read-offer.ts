import type { StartRecord } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { Offer } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { MAX_LOCATOR_POSITIONS } from "../limits.js";
import type { Head } from "../timeline/head.js";
import { fromHeadMessage } from "./head-message.js";
import type { Position } from "./party.js";
import { fromSendersPositions } from "./position-message.js";

/** An offer that can be one. Whether it is true the frames have to show. */
export interface ReadOffer {
  readonly start: StartRecord;
  readonly head: Head;
  /** Frames that the sender names by itself, newest first, frame 0 last. */
  readonly locator: readonly Position[];
  /** Bytes of the whole chain as it travels. */
  readonly bytes: bigint;
}

/** Reads what a sender offers. Throws 08P01 for what no sender can have. */
export function readOffer({ start, head: offered, locator: named, frames, bytes }: Offer): ReadOffer {
  const head = fromHeadMessage(offered);
  if (start === undefined) throw impossible("holds no start record");
  if (frames !== BigInt(head.seq) + 1n)
    throw impossible(`counts ${frames} frames where the last one is number ${head.seq}`);
  if (named.length > MAX_LOCATOR_POSITIONS) throw impossible(`names ${named.length} frames`);
  const locator = fromSendersPositions(named, head);
  if (locator.some(({ seq }, i) => i > 0 && seq >= locator[i - 1].seq))
    throw impossible("names frames in another order than from the newest to the first");
  if (locator.at(-1)?.seq !== 0) throw impossible("does not name the first frame");
  return { start, head, locator, bytes };
}

function impossible(what: string): NeonError {
  return new NeonError("protocol_violation", `the sender's offer ${what}`, { party: "protocol" });
}
