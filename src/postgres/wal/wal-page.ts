import { formatLsn, type Lsn } from "../../lsn.js";
import { walDamage } from "./wal-damage.js";
import { MAX_RECORD_SIZE } from "./wal-record.js";

/** Size of a WAL page (XLOG_BLCKSZ) in bytes: the only one that neon takes, and Postgres's default. */
export const WAL_PAGE_SIZE = 8192;

/** Header of a segment's first page, in bytes: the longest that there is. */
export const LONG_PAGE_HEADER_SIZE = 40;

/** Length of the header of the page at `lsn`, in bytes. */
export function walPageHeaderSize(lsn: Lsn, walSegmentSize: number): number {
  return lsn % BigInt(walSegmentSize) === 0n ? LONG_PAGE_HEADER_SIZE : 24;
}

/** Start of the segment after the one that holds the page at `lsn`. */
export function nextSegmentStart(lsn: Lsn, walSegmentSize: number): Lsn {
  const size = BigInt(walSegmentSize);
  return (lsn / size + 1n) * size;
}

/** What a page header says. */
export interface WalPageHeader {
  /** Major version of the Postgres that wrote it, known by the page's magic number. */
  readonly majorVersion: number;
  /** Postgres timeline id. */
  readonly timelineId: number;
  /** Where the page begins in the middle of a record: the bytes that this record still has (xlp_rem_len). */
  readonly remainingLength: number | undefined;
  /** The record that the page before left unfinished was given up in a crash; another one begins here. */
  readonly overwritesContrecord: boolean;
  /** The cluster's system identifier: first page of a segment only. */
  readonly systemIdentifier: bigint | undefined;
}

const MAJOR_VERSION_BY_MAGIC = new Map([
  [0xd10d, 14],
  [0xd110, 15],
  [0xd113, 16],
  [0xd116, 17],
  [0xd118, 18],
]);

const FIRST_IS_CONTRECORD = 0x0001;
const LONG_HEADER = 0x0002;
const FIRST_IS_OVERWRITE_CONTRECORD = 0x0008;
const ALL_FLAGS = 0x000f;

/**
 * Reads the header at `at` of the page at `lsn`, {@link walPageHeaderSize} bytes, and checks all that it says of its
 * own place. Throws XX001 for damage.
 */
export function parseWalPageHeader(
  view: DataView,
  at: number,
  lsn: Lsn,
  walSegmentSize: number,
): WalPageHeader {
  const magic = view.getUint16(at, true);
  const majorVersion = MAJOR_VERSION_BY_MAGIC.get(magic);
  if (majorVersion === undefined) {
    const hex = magic.toString(16).toUpperCase().padStart(4, "0");
    throw walDamage(lsn, `a page with the magic number ${hex} is none of PostgreSQL 14 to 18`);
  }
  const flags = view.getUint16(at + 2, true);
  if ((flags & ~ALL_FLAGS) !== 0) throw walDamage(lsn, `unknown page flags ${flags.toString(16)}`);
  const address = view.getBigUint64(at + 8, true);
  if (address !== lsn) throw walDamage(lsn, `the page says that it belongs at ${formatLsn(address)}`);
  const firstOfSegment = walPageHeaderSize(lsn, walSegmentSize) === LONG_PAGE_HEADER_SIZE;
  if (firstOfSegment !== ((flags & LONG_HEADER) !== 0)) {
    throw walDamage(lsn, `the page header is ${firstOfSegment ? "not " : ""}that of a segment's first page`);
  }
  if (firstOfSegment) {
    const size = view.getUint32(at + 32, true);
    if (size !== walSegmentSize)
      throw walDamage(lsn, `the segment size is ${size}, expected ${walSegmentSize}`);
    const pageSize = view.getUint32(at + 36, true);
    if (pageSize !== WAL_PAGE_SIZE)
      throw walDamage(lsn, `the page size is ${pageSize}, expected ${WAL_PAGE_SIZE}`);
  }
  const remainingLength = (flags & FIRST_IS_CONTRECORD) !== 0 ? view.getUint32(at + 16, true) : undefined;
  if (remainingLength === 0 || (remainingLength ?? 0) > MAX_RECORD_SIZE) {
    throw walDamage(lsn, `${remainingLength} bytes of a record cannot follow`);
  }
  return {
    majorVersion,
    timelineId: view.getUint32(at + 4, true),
    remainingLength,
    overwritesContrecord: (flags & FIRST_IS_OVERWRITE_CONTRECORD) !== 0,
    systemIdentifier: firstOfSegment ? view.getBigUint64(at + 24, true) : undefined,
  };
}
