import { NeonError } from "../../errors.js";
import type { Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { identifySystem } from "../replication/identify-system.js";
import { timelineHistory } from "../replication/timeline-history.js";
import { forkPoint, parseTimelines, type Timeline } from "../timelines.js";
import { anotherCluster, forkedTimeline, notReached } from "./append-refusals.js";
import type { StoredWal } from "./stored-wal.js";

/** A server's Postgres timelines. */
export interface ServerTimelines {
  /** Those that lead to its own, that one last. */
  readonly timelines: readonly Timeline[];
  /** Their history files, by timeline id, as far as the server has them. */
  readonly historyFiles: ReadonlyMap<number, Buffer>;
}

/** How WAL of a server is to be appended to a branch. */
export interface AppendPlan extends ServerTimelines {
  /** Where to stream from: the start of the segment that holds the last byte to compare. */
  readonly startLsn: Lsn;
  /** The Postgres timeline to ask for. */
  readonly timelineId: number;
  /** Up to here both have WAL: it has to be the same. The branch's head, unless the server lags behind. */
  readonly compareEnd: Lsn;
  /** How far WAL was flushed on the server. */
  readonly flushLsn: Lsn;
}

/**
 * Decides by system identifier, Postgres timelines and LSNs whether a server can carry a branch on, and where to begin.
 * Whether it is the same history the bytes have to tell. Throws the refusals (55000).
 */
export async function planAppend(connection: Connection, stored: StoredWal): Promise<AppendPlan> {
  const { branch } = stored;
  const { start, head } = branch;
  const system = await identifySystem(connection);
  if (system.systemIdentifier !== start.systemIdentifier) {
    throw anotherCluster(branch, system.systemIdentifier);
  }
  const theirs = await readTimelines(connection, system.timelineId, start.postgresTimelineId);
  const { timelines } = theirs;
  const { flushLsn } = system;
  assertNotForked(stored, await stored.timelines(), timelines, flushLsn);
  const compareEnd = flushLsn < head.lsn ? flushLsn : head.lsn;
  if (compareEnd <= start.walStartLsn) throw notReached(branch, flushLsn);
  const segmentSize = BigInt(start.walSegmentSize);
  const startLsn = ((compareEnd - 1n) / segmentSize) * segmentSize;
  // The segment in which a timeline begins holds the bytes before it too, and the older timeline's file of it may be
  // missing: a promoted standby has only part of it, an export none.
  const last = timelines.findLast(({ begin }) => begin < startLsn + segmentSize) as Timeline;
  return { ...theirs, startLsn, timelineId: last.id, compareEnd, flushLsn };
}

/** Asks for the timelines that lead to timeline `id`, and for the history files of those above `known`. */
export async function readTimelines(
  connection: Connection,
  id: number,
  known: number,
): Promise<ServerTimelines> {
  const historyFiles = new Map<number, Buffer>();
  if (id > 1) historyFiles.set(id, await timelineHistory(connection, id));
  const timelines = parseTimelines(id, historyFiles.get(id));
  for (const { id: older } of timelines.slice(0, -1)) {
    if (older <= known) continue;
    try {
      historyFiles.set(older, await timelineHistory(connection, older));
    } catch (error) {
      // It only repeats the beginning of the newest one.
      if (NeonError.from(error).sqlstate !== "58P01") throw error;
    }
  }
  return { timelines, historyFiles };
}

function assertNotForked(
  { branch }: StoredWal,
  ours: readonly Timeline[],
  theirs: readonly Timeline[],
  flushLsn: Lsn,
): void {
  const fork = forkPoint(ours, theirs);
  if (fork === undefined || fork >= branch.head.lsn) return;
  // A standby that has yet to learn of a promotion.
  if (ours[theirs.length]?.begin === fork && flushLsn <= fork) return;
  throw forkedTimeline(branch, fork, ours.at(-1) as Timeline, theirs.at(-1) as Timeline, flushLsn);
}
