import type { BranchLogResponse } from "../../gen/neon/pageserver/v1/service_pb.js";
import { formatLsn } from "../lsn.js";
import { formatBytes, formatCount, formatTable, formatTime } from "./format.js";

/** A table of the first `limit` spans of a branch's history, and how many it leaves out. */
export function describeLog(spans: readonly BranchLogResponse[], limit: number): string {
  const table = formatTable(
    ["WHAT", "FROM", "TO", "FRAMES", "SIZE", "COMMITS", "FIRST COMMIT", "LAST COMMIT", "TAKEN"],
    spans
      .slice(0, limit)
      .map((span) => [
        span.kind,
        formatLsn(span.startLsn),
        formatLsn(span.endLsn),
        String(span.frames),
        formatBytes(span.bytes),
        String(span.commits),
        timeOrDash(span.firstCommitAt),
        timeOrDash(span.lastCommitAt),
        timeOrDash(span.takenAt),
      ]),
  );
  const left = spans.length - limit;
  return left > 0
    ? `${table}\n(${formatCount(left, "older line")} left out; -n ${spans.length} shows all)`
    : table;
}

function timeOrDash(time: BranchLogResponse["firstCommitAt"]): string {
  return time === undefined ? "-" : formatTime(time);
}
