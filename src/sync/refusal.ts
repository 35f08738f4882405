import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { formatLsn } from "../lsn.js";
import { divergenceDetail } from "./divergence-detail.js";
import type { Outcome } from "./outcome.js";

/** Which way the branch was to travel, for the texts. */
export type Direction = "push" | "pull";

/**
 * Throws unless the receiver's branch has moved to the sender's head, or stood there: 55000, with the divergence as data
 * in the detail.
 */
export function assertAccepted(outcome: Outcome, branch: string, direction: Direction): void {
  if (outcome.accepted || outcome.decision === Decision.UP_TO_DATE) return;
  const { reason, hint } = explain(outcome, direction);
  throw new NeonError("object_not_in_prerequisite_state", `branch "${branch}" ${reason}`, {
    party: "sink",
    hint,
    detail: divergenceDetail(outcome.divergence),
  });
}

function explain({ decision, divergence }: Outcome, direction: Direction): { reason: string; hint: string } {
  const where = direction === "push" ? "there" : "here";
  const back = direction === "push" ? "pull" : "push";
  const { source, destination, common } = divergence;
  const [theirs, ours] = [lsn(destination?.lsn), lsn(source?.lsn)];
  const otherName =
    direction === "push" ? "neon push BRANCH ORIGIN:NEW-NAME" : "neon pull NEW-NAME ORIGIN:BRANCH";
  const force = `Use another name (${otherName}), or --force, which keeps what stands ${where} under a recovery name.`;
  switch (decision) {
    case Decision.BEHIND:
      return {
        reason: `is ahead ${where}, at ${theirs}: the one to ${direction} stands at ${ours}`,
        hint: `Run neon ${back} first. Or --force, which keeps what stands ${where} under a recovery name.`,
      };
    case Decision.DIVERGED:
      return {
        reason: `has diverged: the histories part at ${lsn(common?.lsn)}, ${where} it goes on to ${theirs}, the one to ${direction} to ${ours}`,
        hint: force,
      };
    case Decision.SEPARATE_IMPORT:
      return {
        reason: `${where} is a separate import of the same cluster, at ${theirs}: the two have no history in common`,
        hint: force,
      };
    case Decision.UNRELATED:
      return { reason: `${where} comes from another cluster`, hint: force };
    default:
      return {
        reason: `was refused ${where} for a reason of a later version`,
        hint: "Use the same version of neon at both ends.",
      };
  }
}

function lsn(value: bigint | undefined): string {
  return value === undefined ? "an unknown LSN" : formatLsn(value);
}
