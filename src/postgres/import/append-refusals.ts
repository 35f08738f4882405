import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { divergenceDetail } from "../../sync/divergence-detail.js";
import { toHeadMessage } from "../../sync/head-message.js";
import { toPositionMessage } from "../../sync/position-message.js";
import type { Branch } from "../../timeline/store.js";
import type { Timeline } from "../timelines.js";
import type { UnrecoverableWalError } from "../wal/recoverability.js";
import type { Parting } from "./parting.js";

const OWN_BRANCH = "Import that server onto a branch of its own: neon import NEW-NAME URI.";

/** The server is of another cluster. */
export function anotherCluster(branch: Branch, systemIdentifier: bigint): NeonError {
  return refusal(
    `branch "${branch.name}" comes from another cluster: its system identifier is ${branch.start.systemIdentifier}, the server's is ${systemIdentifier}`,
    OWN_BRANCH,
  );
}

/** Both have WAL of the same LSN that differs, from the point on where they part. */
export function diverged(branch: Branch, parting: Parting, flushLsn: Lsn): NeonError {
  return refusal(
    `branch "${branch.name}" and the server have diverged: the histories part at ${formatLsn(parting.lsn)}; the branch goes on to ${formatLsn(branch.head.lsn)}, the server to ${formatLsn(flushLsn)}`,
    `Two clusters were started from one history, and the branch follows the other one. ${wayOut(branch, parting)}`,
    divergence(branch, parting, flushLsn),
  );
}

/** Both have WAL of the same LSN that differs, and an earlier difference could not be looked for. */
export function divergedBefore(branch: Branch, lsn: Lsn, flushLsn: Lsn): NeonError {
  return refusal(
    `branch "${branch.name}" and the server have diverged: their WAL differs at ${formatLsn(lsn)} or before it; the branch goes on to ${formatLsn(branch.head.lsn)}, the server to ${formatLsn(flushLsn)}`,
    `Two clusters were started from one history, and the branch follows the other one. ${OWN_BRANCH}`,
    divergence(branch, undefined, flushLsn),
  );
}

/** The server left the branch's Postgres timeline before the head, or the branch left the server's. */
export function forkedTimeline(
  branch: Branch,
  parting: Parting,
  ours: Timeline,
  theirs: Timeline,
  flushLsn: Lsn,
): NeonError {
  return refusal(
    `the server is on Postgres timeline ${theirs.id}, which parts at ${formatLsn(parting.lsn)} from branch "${branch.name}": that goes on to ${formatLsn(branch.head.lsn)} on timeline ${ours.id}, the server to ${formatLsn(flushLsn)}`,
    wayOut(branch, parting),
    divergence(branch, parting, flushLsn),
  );
}

/** How that server's data comes onto a branch all the same: cheaply from where the histories part, if that works. */
function wayOut(branch: Branch, { lsn, head, serverHasWal }: Parting): string {
  if (head === undefined) {
    return `No branch can begin at ${formatLsn(lsn)}: the base backup of branch "${branch.name}" was not complete there. ${OWN_BRANCH}`;
  }
  if (!serverHasWal) return `The server no longer has the WAL from there on. ${OWN_BRANCH}`;
  return `A branch made there can go on with that server: neon branch create NEW-NAME ${branch.name}@${formatLsn(head.lsn)}, then neon import NEW-NAME URI.`;
}

/** As push and pull tell it. A Postgres has an LSN and no frames. */
function divergence(branch: Branch, parting: Parting | undefined, flushLsn: Lsn): string {
  return divergenceDetail({
    decision: Decision.DIVERGED,
    common: parting?.head && toPositionMessage(parting.head),
    source: { lsn: flushLsn },
    destination: toHeadMessage(branch.head),
  });
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

/** The server has written WAL that no Postgres recovers: the branch ends before it. */
export function unrecoverable(branch: Branch, { message }: UnrecoverableWalError): NeonError {
  return refusal(
    message,
    `Branch "${branch.name}" stays at ${formatLsn(branch.head.lsn)}, before it. What comes behind takes a new base backup, onto a branch of its own: neon import NEW-NAME URI.`,
  );
}

/** The server's WAL segments have another size. */
export function anotherSegmentSize(branch: Branch, walSegmentSize: number): NeonError {
  return refusal(
    `branch "${branch.name}" has WAL segments of ${branch.start.walSegmentSize} bytes, the server's have ${walSegmentSize}`,
    `pg_resetwal changes that size, and begins another history. ${OWN_BRANCH}`,
  );
}

function refusal(message: string, hint: string, detail?: string): NeonError {
  return new NeonError("object_not_in_prerequisite_state", message, {
    party: "source",
    hint,
    ...(detail !== undefined && { detail }),
  });
}
