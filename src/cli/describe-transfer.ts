import { Decision, type Head } from "../../gen/neon/pageserver/v1/session_pb.js";
import { formatLsn } from "../lsn.js";
import { formatBytes, formatCount, formatHead, formatTransfer } from "./format.js";

/** What push and pull answer alike. */
export interface Transfer {
  readonly decision: Decision;
  readonly head?: Head | undefined;
  readonly frames: bigint;
  readonly bytes: bigint;
  readonly seconds: number;
  readonly startLsn: bigint;
  readonly recoveryBranch?: string | undefined;
  readonly dryRun: boolean;
}

/** One line of outcome: `Pushed main to other at cloud`, where it stands now, what moved, how fast. */
export function describeTransfer(transfer: Transfer, what: string, target: string): string {
  const { decision, frames, bytes, seconds, startLsn, recoveryBranch, dryRun } = transfer;
  if (decision === Decision.UP_TO_DATE) return `Up to date: ${target} is at ${formatHead(transfer.head)} too`;
  const kind = Decision[decision].toLowerCase().replace("_", "-");
  if (dryRun) {
    return `Would have ${what}: ${kind}, ${formatCount(frames, "frame")} of ${formatBytes(bytes)} from ${formatLsn(startLsn)} on`;
  }
  const kept = recoveryBranch ? `; what it pointed to is kept as ${recoveryBranch}` : "";
  const moved = formatTransfer(bytes, seconds);
  const head = formatHead(transfer.head);
  return `${capital(what)}, now at ${head} (${kind}): ${formatCount(frames, "frame")}, ${moved}${kept}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
