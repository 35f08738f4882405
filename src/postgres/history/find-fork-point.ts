import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { pointOf } from "../../timeline/branch.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import type { Head } from "../../timeline/head.js";
import type { Branch, Store } from "../../timeline/store.js";
import { StoredWal } from "../import/stored-wal.js";
import { findRecordBoundary } from "../wal/find-record-boundary.js";
import { lsnBeforePageHeader } from "../wal/record-lsn.js";
import { findConsistentPoint } from "./consistent-point.js";
import { lastRecordEnd } from "./last-record-end.js";

/**
 * Finds where another branch can begin that shares the history of `branch` up to `lsn`, which may be written in any form
 * that names the end of a WAL record.
 *
 * Throws 22023 for an LSN inside a record, before the base backup's consistent point, or beyond the head; the hint
 * names one that will do. Throws XX001 for damage before it.
 */
export async function findForkPoint(store: Store, branch: Branch, lsn: Lsn): Promise<Head> {
  const { walSegmentSize } = branch.start;
  const release = store.pin(pointOf(branch));
  try {
    const reader = store.reader(branch);
    const target = lsnBeforePageHeader(lsn, walSegmentSize);
    if (target === branch.head.lsn) return branch.head;
    if (target > branch.head.lsn) {
      throw new NeonError(
        "invalid_parameter_value",
        `branch "${branch.name}" does not reach ${formatLsn(lsn)}`,
        {
          hint: `It ends at ${formatLsn(branch.head.lsn)}.`,
        },
      );
    }
    return await findBefore(store, branch, reader, target);
  } finally {
    release();
  }
}

async function findBefore(store: Store, branch: Branch, reader: ChainReader, lsn: Lsn): Promise<Head> {
  const consistent = await findConsistentPoint(reader);
  const seq = (await reader.find(lsn)) ?? reader.lastSeq;
  const consistentSeq = consistent?.seq ?? reader.lastSeq;
  const consistentLsn = await reader.lsn(consistentSeq);
  const backupStop = lsnBeforePageHeader(consistent?.marker.backupStopLsn ?? 0n, branch.start.walSegmentSize);
  // Several frames can end at one LSN; the marker may be in the last of them.
  if ((seq < consistentSeq && lsn !== consistentLsn) || lsn < backupStop) {
    const text = `branch "${branch.name}" is not consistent at ${formatLsn(lsn)}: its base backup was still going on`;
    throw new NeonError("invalid_parameter_value", text, {
      hint: `A branch can be created at ${formatLsn(consistentLsn)} and later.`,
    });
  }
  const boundary = await findBoundary(store, branch, lsn);
  if (boundary === branch.head.lsn) return branch.head;
  const found = Math.max((await reader.find(boundary)) ?? reader.lastSeq, consistentSeq);
  return { lsn: boundary, seq: found, digest: await reader.digest(found) };
}

async function findBoundary(store: Store, branch: Branch, lsn: Lsn): Promise<Lsn> {
  const { walSegmentSize } = branch.start;
  const startLsn = lsn - 1n - ((lsn - 1n) % BigInt(walSegmentSize));
  const pieces = walPieces(store, branch, startLsn);
  const boundary = await findRecordBoundary(lsn, { startLsn, walSegmentSize, pieces });
  if (boundary !== undefined) return boundary;
  const end = await lastRecordEnd(new StoredWal(store, branch), lsn);
  const before = end === undefined ? "" : `: the last one before it ends at ${formatLsn(end)}`;
  throw new NeonError("invalid_parameter_value", `${formatLsn(lsn)} lies inside a WAL record`, {
    hint: `A branch begins where a record ends${before}.`,
  });
}

async function* walPieces(store: Store, branch: Branch, from: Lsn): AsyncIterable<Buffer> {
  for await (const { data } of new StoredWal(store, branch).pieces(from)) yield data;
}
