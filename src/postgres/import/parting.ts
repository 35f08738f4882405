import { NeonError } from "../../errors.js";
import type { Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import type { Head } from "../../timeline/head.js";
import type { Store } from "../../timeline/store.js";
import { findForkPoint } from "../history/find-fork-point.js";
import { lastRecordEnd } from "../history/last-record-end.js";
import { WalStream } from "../replication/start-replication.js";
import type { Timeline } from "../timelines.js";
import type { StoredWal } from "./stored-wal.js";

/** Where the history of a branch and that of a server part. */
export interface Parting {
  /** The end of the last record that both have, as far as that can be told. */
  readonly lsn: Lsn;
  /** The branch's frame there. Undefined if no branch can begin there: the base backup was still going on. */
  readonly head: Head | undefined;
  /** Whether the server still has the WAL that a branch needs which goes on from there. */
  readonly serverHasWal: boolean;
}

/** Finds the last record that a branch shares with a server, given the LSN from which on they differ. */
export async function findParting(
  store: Store,
  stored: StoredWal,
  differsAt: Lsn,
): Promise<Omit<Parting, "serverHasWal">> {
  let lsn = differsAt;
  try {
    lsn = (await lastRecordEnd(stored, differsAt)) ?? differsAt;
    return { lsn, head: await findForkPoint(store, stored.branch, lsn) };
  } catch (thrown) {
    const { code } = NeonError.from(thrown);
    if (code !== "invalid_parameter_value" && code !== "data_corrupted") throw thrown;
    return { lsn, head: undefined };
  }
}

/** Where streaming begins that compares up to `lsn`: a segment's start, and the Postgres timeline to ask for. */
export function streamStart(
  timelines: readonly Timeline[],
  lsn: Lsn,
  walSegmentSize: number,
): { lsn: Lsn; timelineId: number } {
  const size = BigInt(walSegmentSize);
  const begin = ((lsn - 1n) / size) * size;
  // The segment in which a timeline begins holds the bytes before it too, and the older timeline's file of it may be
  // missing: a promoted standby has only part of it, an export none.
  const last = timelines.findLast((timeline) => timeline.begin < begin + size) as Timeline;
  return { lsn: begin, timelineId: last.id };
}

/** Whether a server streams WAL from there. The connection cannot be used afterwards. */
export async function canStream(
  connection: Connection,
  start: { lsn: Lsn; timelineId: number },
): Promise<boolean> {
  try {
    const stream = await WalStream.start(connection, { slot: undefined, ...start });
    for await (const { type } of stream.read()) if (type === "wal") return true;
    return false;
  } catch (error) {
    if (NeonError.from(error).sqlstate === "58P01") return false;
    throw error;
  } finally {
    connection.destroy();
  }
}
