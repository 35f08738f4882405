import { toHeadMessage } from "../../sync/head-message.js";
import type { Outcome } from "../../sync/outcome.js";
import { secondsSince } from "./seconds-since.js";

/** What perform_push and perform_pull answer alike. `begin` is when they began, by performance.now(). */
export function transferMessage(outcome: Outcome, dryRun: boolean | undefined, begin: number) {
  const { decision, frames, bytes, startLsn, recoveryBranch, repairedFrames, divergence } = outcome;
  const head = outcome.head && toHeadMessage(outcome.head);
  return {
    decision,
    head,
    frames: BigInt(frames),
    bytes: BigInt(bytes),
    seconds: secondsSince(begin),
    startLsn,
    recoveryBranch,
    dryRun: dryRun === true,
    // Of many pushes with `follow` the head is the end of the last one, the divergence that of the first.
    endLsn: (dryRun === true ? divergence.source : head)?.lsn ?? 0n,
    oldHead: divergence.destination,
    ...(repairedFrames !== undefined && { repairedFrames: BigInt(repairedFrames) }),
  };
}
