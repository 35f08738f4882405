import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Branch } from "../../timeline/store.js";
import type { Timeline } from "../timelines.js";

const OWN_BRANCH = "Import that server onto a branch of its own: neon import NEW-NAME URI.";

/** The server is of another cluster. */
export function anotherCluster(branch: Branch, systemIdentifier: bigint): NeonError {
  return refusal(
    `branch "${branch.name}" comes from another cluster: its system identifier is ${branch.start.systemIdentifier}, the server's is ${systemIdentifier}`,
    OWN_BRANCH,
  );
}

/** Both have WAL of the same LSN that differs. `exact` is false where an earlier difference could not be looked for. */
export function diverged(branch: Branch, lsn: Lsn, flushLsn: Lsn, exact: boolean): NeonError {
  const where = exact ? `at ${formatLsn(lsn)}` : `at ${formatLsn(lsn)} or before it`;
  return refusal(
    `branch "${branch.name}" and the server have diverged: their WAL differs ${where}; the branch goes on to ${formatLsn(branch.head.lsn)}, the server to ${formatLsn(flushLsn)}`,
    `Two clusters were started from one history, and the branch follows the other one. ${OWN_BRANCH}`,
  );
}

/** The server left the branch's Postgres timeline before the head, or the branch left the server's. */
export function forkedTimeline(
  branch: Branch,
  lsn: Lsn,
  ours: Timeline,
  theirs: Timeline,
  flushLsn: Lsn,
): NeonError {
  return refusal(
    `the server is on Postgres timeline ${theirs.id}, which parts at ${formatLsn(lsn)} from branch "${branch.name}": that goes on to ${formatLsn(branch.head.lsn)} on timeline ${ours.id}, the server to ${formatLsn(flushLsn)}`,
    `A branch made at ${formatLsn(lsn)} can go on with that server: neon branch create NEW-NAME ${branch.name}@${formatLsn(lsn)}, then neon import NEW-NAME URI.`,
  );
}

/** The server has removed WAL that follows the head, or that it is to be compared with. */
export function recycled(branch: Branch, lsn: Lsn, cause: unknown): NeonError {
  return new NeonError(
    "undefined_file",
    `the server no longer has the WAL from ${formatLsn(lsn)} on, which branch "${branch.name}" needs to go on from ${formatLsn(branch.head.lsn)}`,
    {
      party: "source",
      hint: `${OWN_BRANCH} To keep WAL from now on use --follow, which holds a replication slot, or raise wal_keep_size there.`,
      cause,
    },
  );
}

/** The server has not written, or not received, all that the branch holds. */
export function notReached(branch: Branch, flushLsn: Lsn): NeonError {
  return new NeonError(
    "object_not_in_prerequisite_state",
    `the server has WAL up to ${formatLsn(flushLsn)} only, branch "${branch.name}" stands at ${formatLsn(branch.head.lsn)}`,
    {
      party: "source",
      retryable: true,
      hint: "Is it a standby that lags behind? Then try again later. A server that was restored from a backup can be imported onto a branch of its own: neon import NEW-NAME URI.",
    },
  );
}

/** The server's WAL segments have another size. */
export function anotherSegmentSize(branch: Branch, walSegmentSize: number): NeonError {
  return refusal(
    `branch "${branch.name}" has WAL segments of ${branch.start.walSegmentSize} bytes, the server's have ${walSegmentSize}`,
    `pg_resetwal changes that size, and begins another history. ${OWN_BRANCH}`,
  );
}

function refusal(message: string, hint: string): NeonError {
  return new NeonError("object_not_in_prerequisite_state", message, { party: "source", hint });
}
