import type { BuiltRecord } from "./wal-builder.js";

/** A record of RM_XLOG with these bytes of its own. */
export function xlog(info: number, data: Buffer): BuiltRecord {
  return { rmid: 0, info, body: Buffer.concat([Buffer.of(255, data.length), data]) };
}

/** Settings have changed; wal_level: 0 minimal, 1 replica, 2 logical. */
export function settings(walLevel: number): BuiltRecord {
  const data = Buffer.alloc(26);
  data.writeInt32LE(walLevel, 20);
  return xlog(0x60, data);
}

/** A checkpoint; `info` 0x00: shutdown, 0x10: online. */
export function checkpoint(info: number, redo: bigint, timelineId = 1, previous = timelineId): BuiltRecord {
  const data = Buffer.alloc(88);
  data.writeBigUInt64LE(redo, 0);
  data.writeUInt32LE(timelineId, 8);
  data.writeUInt32LE(previous, 12);
  return xlog(info, data);
}

/** A promotion. */
export function endOfRecovery(timelineId: number, previous: number): BuiltRecord {
  return checkpoint(0x90, 0n, timelineId, previous);
}

/** The end of the base backup that began at `startLsn`. */
export function backupEnd(startLsn: bigint): BuiltRecord {
  const data = Buffer.alloc(8);
  data.writeBigUInt64LE(startLsn);
  return xlog(0x50, data);
}

/** The record at `lsn` was left unfinished by a crash. */
export function overwrites(lsn: bigint): BuiltRecord {
  const data = Buffer.alloc(16);
  data.writeBigUInt64LE(lsn, 0);
  return xlog(0xd0, data);
}
