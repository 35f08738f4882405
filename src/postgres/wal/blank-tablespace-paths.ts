import type { Lsn } from "../../lsn.js";
import { crc32c } from "./crc32c.js";
import { parseRecord } from "./parse-record.js";
import { lsnInRecord, roomOnPage } from "./record-lsn.js";
import { walDamage } from "./wal-damage.js";
import { WalReader, type WalReaderOptions } from "./wal-reader.js";
import { RECORD_CRC_OFFSET, RECORD_HEADER_SIZE, WalRecord } from "./wal-record.js";

/** Bytes to put into stored WAL in the place of as many others. */
export interface WalPatch {
  /** Where the first of them belongs. All lie on one page. */
  readonly lsn: Lsn;
  /** The new bytes; the caller's to keep. */
  readonly bytes: Buffer;
}

/**
 * What a {@link TablespacePathBlanker} is told: as for a {@link WalReader}. `onRecord` gets the other records that
 * `select` wants, so that one pass does for both.
 */
export type TablespacePathBlankerOptions = Pick<
  WalReaderOptions,
  "startLsn" | "walSegmentSize" | "select" | "onRecord"
>;

const RM_TABLESPACE = 5;
const TABLESPACE_CREATE = 0x00;

/** Longest path in Postgres, its NUL included (MAXPGPATH): patches lie in two segments at most. */
const MAX_PATH_LENGTH = 1024;

/**
 * Takes the paths out of Tablespace/CREATE records. Replaying one re-creates the symbolic link to the imported
 * cluster's own directory, and writes there; with an empty path and allow_in_place_tablespaces on, Postgres makes a
 * directory under pg_tblspc instead.
 */
export class TablespacePathBlanker {
  readonly #reader: WalReader;
  #patches: WalPatch[] = [];

  constructor(options: TablespacePathBlankerOptions) {
    const { startLsn, walSegmentSize, select, onRecord } = options;
    this.#reader = new WalReader({
      startLsn,
      walSegmentSize,
      select: (rmid, info) => createsTablespace(rmid, info) || (select?.(rmid, info) ?? false),
      onRecord: (record) => {
        if (createsTablespace(record.rmid, record.info))
          this.#patches.push(...blankPath(record, walSegmentSize));
        else onRecord?.(record);
      },
    });
  }

  /** End of the last complete record: {@link WalReader.endLsn}. */
  get endLsn(): Lsn {
    return this.#reader.endLsn;
  }

  /**
   * Takes the bytes that follow those pushed before, of any size, and leaves them as they are. Returns the patches of
   * the records that they complete, in the order of their LSNs: a patch may lie in bytes pushed earlier, at most
   * one segment back, never in later ones. Throws XX001 for damage.
   */
  push(data: Buffer): WalPatch[] {
    this.#reader.push(data);
    const patches = this.#patches;
    this.#patches = [];
    return patches;
  }
}

function createsTablespace(rmid: number, info: number): boolean {
  return rmid === RM_TABLESPACE && (info & 0xf0) === TABLESPACE_CREATE;
}

/** The patches that blank the path of a Tablespace/CREATE record and set its CRC anew. */
function blankPath(record: WalRecord, walSegmentSize: number): WalPatch[] {
  const copy = new WalRecord(record.startLsn, record.endLsn, record.majorVersion, Buffer.from(record.bytes));
  const { bytes } = copy;
  // The tablespace's OID, then its path, which ends with a NUL.
  const path = parseRecord(copy).mainData.subarray(4);
  const length = path.indexOf(0);
  if (length < 0 || length >= MAX_PATH_LENGTH) {
    throw walDamage(record.startLsn, "a Tablespace/CREATE record whose path does not end");
  }
  if (length === 0) return [];
  path.fill(0, 0, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const crc = crc32c(bytes, view, RECORD_HEADER_SIZE, bytes.length, 0);
  view.setInt32(RECORD_CRC_OFFSET, crc32c(bytes, view, 0, RECORD_CRC_OFFSET, crc), true);
  const patches: WalPatch[] = [];
  for (let at = RECORD_CRC_OFFSET; at < bytes.length; ) {
    const lsn = lsnInRecord(record.startLsn, at, walSegmentSize);
    const end = Math.min(bytes.length, at + roomOnPage(lsn));
    patches.push({ lsn, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return patches;
}
