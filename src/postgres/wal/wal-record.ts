import type { Lsn } from "../../lsn.js";

/** Header of a WAL record (XLogRecord) in bytes. Its last four are the CRC. */
export const RECORD_HEADER_SIZE = 24;

/** Offset of the CRC in a record's header. It covers the bytes after the header, then those before the CRC. */
export const RECORD_CRC_OFFSET = 20;

/** Longest record that Postgres writes (XLogRecordMaxSize), in bytes. */
export const MAX_RECORD_SIZE = 1020 * 1024 * 1024;

/** The bytes that a record of this length takes in the WAL (MAXALIGN): the next one starts at a multiple of eight. */
export function alignRecord(length: number): number {
  return (length + 7) & ~7;
}

/** A complete WAL record whose CRC was right. */
export class WalRecord {
  /** Where its first byte lies. */
  readonly startLsn: Lsn;
  /** Where it ends, in the one form that an LSN on a branch has. */
  readonly endLsn: Lsn;
  /** Major version of the Postgres that wrote it. */
  readonly majorVersion: number;
  /**
   * The record without the page headers in it and without the padding after it. It may lie in the buffer that was
   * pushed: whoever keeps it longer than the call that hands it out copies it.
   */
  readonly bytes: Buffer;

  constructor(startLsn: Lsn, endLsn: Lsn, majorVersion: number, bytes: Buffer) {
    this.startLsn = startLsn;
    this.endLsn = endLsn;
    this.majorVersion = majorVersion;
    this.bytes = bytes;
  }

  /** Length in bytes, header included (xl_tot_len). */
  get totalLength(): number {
    return this.bytes.length;
  }

  /** The transaction; 0 for none. */
  get xid(): number {
    return this.bytes.readUInt32LE(4);
  }

  /** Where the record before this one starts. */
  get prev(): Lsn {
    return this.bytes.readBigUInt64LE(8);
  }

  /** Which of the resource manager's records it is, and flags (xl_info). */
  get info(): number {
    return this.bytes.readUInt8(16);
  }

  /** The resource manager's id. */
  get rmid(): number {
    return this.bytes.readUInt8(17);
  }
}
