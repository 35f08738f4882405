import { parseRecord } from "../wal/parse-record.js";
import type { WalRecord } from "../wal/wal-record.js";

const RM_XACT = 1;
const XACT_OPERATION_MASK = 0x70;
const XACT_COMMIT = 0x00;
const XACT_COMMIT_PREPARED = 0x30;

/** Microseconds from 1970 to 2000, where Postgres's timestamps begin. */
const POSTGRES_EPOCH = 946_684_800_000_000n;

/** Whether a record with this resource manager and info commits a transaction (Postgres source: xact.h). */
export function isCommit(rmid: number, info: number): boolean {
  const operation = info & XACT_OPERATION_MASK;
  return rmid === RM_XACT && (operation === XACT_COMMIT || operation === XACT_COMMIT_PREPARED);
}

/** When the transaction of a commit record ended (xl_xact_commit.xact_time): microseconds since 1970. */
export function commitTime(record: WalRecord): bigint {
  return parseRecord(record).mainData.readBigInt64LE(0) + POSTGRES_EPOCH;
}
