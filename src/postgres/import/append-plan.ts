import { NeonError } from "../../errors.js";
import type { Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import type { Store } from "../../timeline/store.js";
import { identifySystem } from "../replication/identify-system.js";
import { timelineHistory } from "../replication/timeline-history.js";
import { forkPoint, parseTimelines, type Timeline } from "../timelines.js";
import { anotherCluster, forkedTimeline, notReached } from "./append-refusals.js";
import { canStream, findParting, streamStart } from "./parting.js";
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
export async function planAppend(
  store: Store,
  connection: Connection,
  stored: StoredWal,
): Promise<AppendPlan> {
  const { branch } = stored;
  const { start, head } = branch;
  const system = await identifySystem(connection);
  if (system.systemIdentifier !== start.systemIdentifier) {
    throw anotherCluster(branch, system.systemIdentifier);
  }
  const theirs = await readTimelines(connection, system.timelineId, start.postgresTimelineId);
  const { timelines } = theirs;
  const { flushLsn } = system;
  const ours = await stored.timelines();
  const fork = findFork(stored, ours, timelines, flushLsn);
  if (fork !== undefined) {
    const parting = await findParting(store, stored, fork);
    const again = streamStart(timelines, parting.lsn, start.walSegmentSize);
    const serverHasWal = await canStream(connection, again);
    const [our, their] = [ours.at(-1) as Timeline, timelines.at(-1) as Timeline];
    throw forkedTimeline(branch, { ...parting, serverHasWal }, our, their, flushLsn);
  }
  const compareEnd = flushLsn < head.lsn ? flushLsn : head.lsn;
  if (compareEnd <= start.walStartLsn) throw notReached(branch, flushLsn);
  const { lsn: startLsn, timelineId } = streamStart(timelines, compareEnd, start.walSegmentSize);
  return { ...theirs, startLsn, timelineId, compareEnd, flushLsn };
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

/** Where the server left the Postgres timelines of the branch before its head, or the branch the server's. */
function findFork(
  { branch }: StoredWal,
  ours: readonly Timeline[],
  theirs: readonly Timeline[],
  flushLsn: Lsn,
): Lsn | undefined {
  const fork = forkPoint(ours, theirs);
  if (fork === undefined || fork >= branch.head.lsn) return undefined;
  // A standby that has yet to learn of a promotion.
  if (ours[theirs.length]?.begin === fork && flushLsn <= fork) return undefined;
  return fork;
}
