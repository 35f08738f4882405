import { Decision, type Head } from "../../gen/neon/pageserver/v1/session_pb.js";
import { formatLsn } from "../lsn.js";
import { formatBytes, formatCount, formatHead, formatTransfer } from "./format.js";

/** What push and pull answer alike. */
export interface Transfer {
  readonly decision: Decision;
  readonly head?: Head | undefined;
  readonly oldHead?: Head | undefined;
  readonly frames: bigint;
  readonly bytes: bigint;
  readonly seconds: number;
  readonly startLsn: bigint;
  readonly endLsn: bigint;
  readonly recoveryBranch?: string | undefined;
  readonly dryRun: boolean;
  readonly repairedFrames?: bigint | undefined;
}

/**
 * One line of outcome, in git's words: `Pushed main to other at cloud, 0/3000000..0/6000148: ` and what moved, how fast.
 * Three dots and `(forced update)` where the branch has left what it pointed to.
 */
export function describeTransfer(transfer: Transfer, what: string, target: string): string {
  if (transfer.decision === Decision.UP_TO_DATE) {
    if (transfer.repairedFrames !== undefined) return describeRepair(transfer, target);
    return `Up to date: ${target} is at ${formatHead(transfer.head)} too`;
  }
  const done = transfer.dryRun ? `Would have ${what}` : capital(what);
  const moved = `${describeFrames(transfer)}${describeRepaired(transfer)}${describeKept(transfer)}`;
  return `${done}, ${describeUpdate(transfer)}: ${moved}`;
}

function describeUpdate({ decision, oldHead, endLsn }: Transfer): string {
  const end = formatLsn(endLsn);
  if (oldHead === undefined) return `new branch at ${end}`;
  if (decision === Decision.FAST_FORWARD) return `${formatHead(oldHead)}..${end}`;
  return `${formatHead(oldHead)}...${end} (forced update)`;
}

function describeFrames({ frames, bytes, seconds, startLsn, endLsn, dryRun }: Transfer): string {
  if (frames === 0n) return "no frames, all of them are there";
  if (!dryRun) return `${formatCount(frames, "frame")}, ${formatTransfer(bytes, seconds)}`;
  const range = `${formatLsn(startLsn)} to ${formatLsn(endLsn)}`;
  return `${formatCount(frames, "frame")}, ${formatBytes(bytes)}, ${range}`;
}

function describeRepaired({ repairedFrames }: Transfer): string {
  return repairedFrames ? `; ${formatCount(repairedFrames, "frame")} of them in place of damaged ones` : "";
}

function describeKept({ recoveryBranch, dryRun }: Transfer): string {
  if (!recoveryBranch) return "";
  return dryRun
    ? `; what it points to would be kept as ${recoveryBranch}`
    : `; what it pointed to is kept as ${recoveryBranch}`;
}

function describeRepair({ dryRun, frames, bytes, seconds, head }: Transfer, target: string): string {
  if (dryRun) {
    return `Would have repaired ${target}: ${formatCount(frames, "frame")} of ${formatBytes(bytes)}`;
  }
  const moved =
    frames === 0n
      ? "good frames were there already"
      : `${formatCount(frames, "frame")} sent again, ${formatTransfer(bytes, seconds)}`;
  return `Repaired ${target}, still at ${formatHead(head)}: ${moved}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
