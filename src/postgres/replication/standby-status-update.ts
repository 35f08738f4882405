import type { Lsn } from "../../lsn.js";

/** How far a receiver of WAL has come. */
export interface StandbyStatus {
  /** End of what was received. */
  readonly writeLsn: Lsn;
  /** End of what is durable here: the server can forget WAL before it. Undefined: nothing is said of that. */
  readonly flushLsn?: Lsn;
}

/** InvalidXLogRecPtr: who reports it as flushed is never a candidate for a synchronous standby, as pg_basebackup is not. */
const NO_LSN = 0n;

const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/** The data of a Standby status update, `r` (manual: 55.4, START_REPLICATION). Nothing is applied here: apply is flush. */
export function formatStandbyStatusUpdate(status: StandbyStatus, now: number = Date.now()): Buffer {
  const message = Buffer.alloc(34);
  message[0] = 0x72; // 'r'
  message.writeBigInt64BE(status.writeLsn, 1);
  message.writeBigInt64BE(status.flushLsn ?? NO_LSN, 9);
  message.writeBigInt64BE(status.flushLsn ?? NO_LSN, 17);
  message.writeBigInt64BE(BigInt(now - POSTGRES_EPOCH_MS) * 1000n, 25);
  return message; // its last byte: no reply is wanted
}
