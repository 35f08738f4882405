import type { Lsn } from "../../lsn.js";
import { WalStream } from "../replication/start-replication.js";
import { timelineAt } from "../timelines.js";
import type { AppendPlan } from "./append-plan.js";
import { connectForReplication } from "./import-source.js";
import type { StoredWal } from "./stored-wal.js";
import { WalComparison } from "./wal-comparison.js";

/**
 * Finds the first LSN at which a server's WAL differs from a branch's, given that it differs in the last segment that
 * both have: they part on the Postgres timeline of that segment, if they do so in what the branch holds. Undefined if the
 * server no longer has all the WAL that it takes.
 */
export async function findDifference(
  uri: string,
  plan: AppendPlan,
  stored: StoredWal,
  signal: AbortSignal | undefined,
): Promise<Lsn | undefined> {
  const { walStartLsn, walSegmentSize } = stored.branch.start;
  const size = BigInt(walSegmentSize);
  const timeline = timelineAt(plan.timelines, plan.compareEnd - 1n);
  const begin = timeline.begin < walStartLsn ? walStartLsn : timeline.begin;
  const lsn = begin - (begin % size);
  const comparison = new WalComparison(stored, lsn);
  try {
    const connection = await connectForReplication(uri, signal);
    try {
      const options = { slot: undefined, lsn, timelineId: timeline.id };
      const stream = await WalStream.start(connection, options);
      for await (const message of stream.read()) {
        if (message.type !== "wal") continue;
        const difference = await comparison.take(message.lsn, message.data);
        if (difference !== undefined) return difference;
      }
    } finally {
      connection.destroy();
    }
  } catch {
    // The difference that is known has to do.
  } finally {
    await comparison.close();
  }
  return undefined;
}
