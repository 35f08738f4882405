import type { Lsn } from "../../lsn.js";
import { isSegmentSwitch } from "./record-chain.js";
import { lsnBeforePageHeader, lsnInRecord } from "./record-lsn.js";
import { WalReader } from "./wal-reader.js";
import { RECORD_HEADER_SIZE, type WalRecord } from "./wal-record.js";

/** Stored WAL: contiguous bytes from a page's start. */
export interface StoredWal {
  /** LSN of the first byte: before the LSN in question, best the start of the segment that holds the byte before it. */
  readonly startLsn: Lsn;
  /** Size of a WAL segment in bytes. */
  readonly walSegmentSize: number;
  /** The bytes, in pieces of any size. Read up to the LSN in question, and not kept. */
  readonly pieces: Iterable<Buffer> | AsyncIterable<Buffer>;
}

/**
 * Finds the one form that `lsn` has on a branch, if a record ends there: the page boundary for a place just past its
 * header, the start of the next segment for the end of an XLOG_SWITCH record (what pg_switch_wal() answers). Returns
 * undefined for an LSN inside a record, and for one that lies outside the stored WAL or at its very start. Throws
 * XX001 for damage before it.
 */
export async function findRecordBoundary(lsn: Lsn, wal: StoredWal): Promise<Lsn | undefined> {
  const { startLsn, walSegmentSize } = wal;
  const target = lsnBeforePageHeader(lsn, walSegmentSize);
  if (target <= startLsn) return undefined;
  let segmentSwitch: WalRecord | undefined;
  const reader = new WalReader({
    startLsn,
    walSegmentSize,
    select: isSegmentSwitch,
    onRecord: (record) => {
      segmentSwitch = record;
    },
  });
  for await (const piece of wal.pieces) {
    const missing = target - reader.position;
    reader.push(missing < BigInt(piece.length) ? piece.subarray(0, Number(missing)) : piece);
    if (reader.position === target) break;
  }
  if (reader.position !== target) return undefined;
  if (reader.endLsn === target) return target;
  if (segmentSwitch === undefined) return undefined;
  const switchEnd = lsnInRecord(segmentSwitch.startLsn, RECORD_HEADER_SIZE, walSegmentSize);
  return lsnBeforePageHeader(switchEnd, walSegmentSize) === target ? segmentSwitch.endLsn : undefined;
}
