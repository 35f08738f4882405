import { parseRecord } from "./parse-record.js";
import { walDamage } from "./wal-damage.js";
import type { WalRecord } from "./wal-record.js";

/** What Postgres logs of its settings when one of them has changed (xl_parameter_change, alike in 14 to 18). */
export interface ParameterChange {
  /** 0 minimal, 1 replica, 2 logical. */
  readonly walLevel: number;
  readonly maxConnections: number;
  readonly maxWorkerProcesses: number;
  readonly maxWalSenders: number;
  readonly maxPreparedXacts: number;
  readonly maxLocksPerXact: number;
  readonly trackCommitTimestamp: boolean;
}

const RM_XLOG = 0;
const XLOG_PARAMETER_CHANGE = 0x60;
const SIZE = 26;

/** Whether a record of this resource manager and info is an XLOG_PARAMETER_CHANGE. */
export function isParameterChange(rmid: number, info: number): boolean {
  return rmid === RM_XLOG && (info & 0xf0) === XLOG_PARAMETER_CHANGE;
}

/**
 * Reads an XLOG_PARAMETER_CHANGE record. The WAL after it was written with these settings. Throws XX001 for one that is
 * cut short.
 */
export function parseParameterChange(record: WalRecord): ParameterChange {
  const { mainData } = parseRecord(record);
  if (mainData.length < SIZE) throw walDamage(record.startLsn, "a record of changed settings is cut short");
  return {
    maxConnections: mainData.readInt32LE(0),
    maxWorkerProcesses: mainData.readInt32LE(4),
    maxWalSenders: mainData.readInt32LE(8),
    maxPreparedXacts: mainData.readInt32LE(12),
    maxLocksPerXact: mainData.readInt32LE(16),
    walLevel: mainData.readInt32LE(20),
    trackCommitTimestamp: mainData.readUInt8(25) !== 0,
  };
}
