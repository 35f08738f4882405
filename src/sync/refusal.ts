import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { formatLsn } from "../lsn.js";
import type { Outcome } from "./party.js";

/** What each decision that moved nothing means to the person who asked. */
const REFUSALS: Partial<Record<Decision, string>> = {
  [Decision.FAST_FORWARD]:
    "it has an older state of this branch (fast-forward), which this version cannot move yet",
  [Decision.BEHIND]: "it has a newer state of this branch (behind), which this version cannot pull yet",
  [Decision.DIVERGED]:
    "its history and this one begin alike (fast-forward or diverged), which this version cannot tell apart yet",
  [Decision.SEPARATE_IMPORT]:
    "it was imported from the same cluster at another time (separate import), which this version cannot replace yet",
  [Decision.UNRELATED]: "it comes from another cluster (unrelated), which this version cannot replace yet",
};

/** Throws 0A000, naming the case, unless the session created the branch or found it up to date. */
export function assertAccepted(outcome: Outcome, branch: string): void {
  if (outcome.decision === Decision.CREATE || outcome.decision === Decision.UP_TO_DATE) return;
  const reason = REFUSALS[outcome.decision] ?? "it answered with a decision of a later version";
  const at = outcome.head === undefined ? "" : ` at ${formatLsn(outcome.head.lsn)}`;
  throw new NeonError("feature_not_supported", `branch "${branch}" already exists there${at}: ${reason}`, {
    party: "sink",
    hint: "Push to a new name: neon push BRANCH ORIGIN:NEW-NAME.",
  });
}
