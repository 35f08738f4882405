import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { Lsn } from "../lsn.js";
import { type Head, sameHead } from "../timeline/head.js";
import type { Position } from "./party.js";

/** What is compared: the sender's head with the receiver's, given the last frame that both have. */
export interface Comparison {
  readonly source: Head;
  readonly destination: Head;
  /** The last common frame, and how far it counts in the sender's chain. */
  readonly common: Position;
  /** How far that frame counts in the receiver's chain. */
  readonly destinationLsn: Lsn;
}

/**
 * What the receiver's branch is to the sender's. Two histories part at the lesser of their LSNs at the last common
 * frame; the side whose own head is there is behind.
 */
export function decide({ source, destination, common, destinationLsn }: Comparison): Decision {
  if (sameHead(source, destination)) return Decision.UP_TO_DATE;
  const sourceEnds = common.seq === source.seq;
  const destinationEnds = common.seq === destination.seq;
  if (destinationEnds && destination.lsn <= common.lsn) return Decision.FAST_FORWARD;
  if (sourceEnds && source.lsn <= destinationLsn) return Decision.BEHIND;
  return Decision.DIVERGED;
}
