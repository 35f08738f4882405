import { formatLsn, type Lsn } from "../../lsn.js";
import { crc32c } from "./crc32c.js";
import { walDamage } from "./wal-damage.js";
import { MAX_RECORD_SIZE, RECORD_CRC_OFFSET, RECORD_HEADER_SIZE } from "./wal-record.js";

const RM_XLOG = 0;
const XLOG_SWITCH = 0x40;

/**
 * Checks record headers: each names the start of the record before it. LSNs come in halves, since this runs for every
 * record and BigInts would take most of the time.
 */
export class RecordChain {
  #known = false;
  #high = 0;
  #low = 0;

  /** Throws XX001 unless the header at `at` may be that of the next record, which starts at `high`/`low`. */
  check(view: DataView, at: number, high: number, low: number): void {
    const prevLow = view.getUint32(at + 8, true);
    const prevHigh = view.getUint32(at + 12, true);
    const follows = this.#known
      ? prevLow === this.#low && prevHigh === this.#high
      : prevHigh < high || (prevHigh === high && prevLow < low);
    if (!follows) {
      const prev = formatLsn(joinLsn(prevHigh, prevLow));
      throw walDamage(joinLsn(high, low), `the record claims to follow the one at ${prev}`);
    }
    if (
      isSegmentSwitch(view.getUint8(at + 17), view.getUint8(at + 16)) &&
      view.getUint32(at, true) !== RECORD_HEADER_SIZE
    ) {
      throw walDamage(joinLsn(high, low), "a segment switch cannot hold data");
    }
  }

  /** The same chain, to go on with by itself. */
  clone(): RecordChain {
    const chain = new RecordChain();
    if (this.#known) chain.append(this.#high, this.#low);
    return chain;
  }

  /** The record that starts at `high`/`low` is complete: the next one follows it. */
  append(high: number, low: number): void {
    this.#known = true;
    this.#high = high;
    this.#low = low;
  }
}

/** Throws XX001 for a length (xl_tot_len) that no record has, before anybody waits for its bytes. */
export function checkRecordLength(length: number, high: number, low: number): void {
  if (length >= RECORD_HEADER_SIZE && length <= MAX_RECORD_SIZE) return;
  throw walDamage(joinLsn(high, low), `a record cannot be ${length} bytes long`);
}

/**
 * Throws XX001 unless the record whose header is at `at` carries the right CRC. `crc` is that of the bytes after the
 * header; the header's own come last.
 */
export function checkRecordCrc(
  data: Buffer,
  view: DataView,
  at: number,
  crc: number,
  high: number,
  low: number,
): void {
  const end = at + RECORD_CRC_OFFSET;
  if (crc32c(data, view, at, end, crc) === view.getInt32(end, true)) return;
  throw walDamage(joinLsn(high, low), "the CRC of the record is wrong");
}

/** Whether a record with this resource manager and info is XLOG_SWITCH: the rest of its segment is unused. */
export function isSegmentSwitch(rmid: number, info: number): boolean {
  return rmid === RM_XLOG && (info & 0xf0) === XLOG_SWITCH;
}

/** The LSN with these halves. */
export function joinLsn(high: number, low: number): Lsn {
  return (BigInt(high) << 32n) | BigInt(low);
}
