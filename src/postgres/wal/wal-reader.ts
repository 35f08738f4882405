import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { Accumulator } from "./accumulator.js";
import { crc32c } from "./crc32c.js";
import { PageChain } from "./page-chain.js";
import { checkRecordCrc, checkRecordLength, isSegmentSwitch, joinLsn, RecordChain } from "./record-chain.js";
import { walDamage } from "./wal-damage.js";
import {
  LONG_PAGE_HEADER_SIZE,
  nextSegmentStart,
  parseWalPageHeader,
  WAL_PAGE_SIZE,
  walPageHeaderSize,
} from "./wal-page.js";
import type { WalReaderOptions } from "./wal-reader-options.js";
import { WalReaderState as State } from "./wal-reader-state.js";
import { alignRecord, RECORD_HEADER_SIZE, WalRecord } from "./wal-record.js";

export type { WalReaderOptions } from "./wal-reader-options.js";

/**
 * Finds and checks the records in WAL as it arrives, in pieces of any size: page headers, lengths, the chain of
 * previous-record pointers, CRCs. Its rules are those of Postgres's own xlogreader.
 *
 * A record that lies within one page and one push is read in place. Of any other, the header and a running CRC are
 * kept, and the rest only if `select` wants the record: memory is bounded but for that one.
 */
export class WalReader {
  readonly #walSegmentSize: number;
  readonly #onRecord: ((record: WalRecord) => void) | undefined;
  readonly #select: (rmid: number, info: number) => boolean;
  #failure: unknown;
  #state: State = State.Unknown;

  /** The current page, also in halves, and how many of its bytes were taken. */
  #page: Lsn;
  #pageHigh = 0;
  #pageLow = 0;
  #pageOffset = 0;
  #pageHeaderSize = 0;
  #segmentEnd: Lsn;
  readonly #pageHeader = new Accumulator(LONG_PAGE_HEADER_SIZE);

  #pages: PageChain;
  #records = new RecordChain();
  /** The last boundary: a page, and an offset in it that may be the page's size. */
  #endPage: Lsn;
  #endOffset = 0;

  /** Record: its length (0: not yet known) and how much was taken. Remainder, Padding: the same of the rest. */
  #length = 0;
  #taken = 0;
  /** Record: where it starts, its header, the CRC of what was taken after the header, the bytes if wanted. */
  #startHigh = 0;
  #startLow = 0;
  readonly #header = new Accumulator(RECORD_HEADER_SIZE);
  #crc = 0;
  #parts: Buffer[] | undefined;

  constructor(options: WalReaderOptions) {
    const { startLsn, walSegmentSize } = options;
    if (startLsn % BigInt(WAL_PAGE_SIZE) !== 0n) {
      throw new NeonError("invalid_parameter_value", `no WAL page starts at ${formatLsn(startLsn)}`);
    }
    this.#walSegmentSize = walSegmentSize;
    this.#pages = new PageChain(options.systemIdentifier);
    this.#onRecord = options.onRecord;
    this.#select = options.select ?? (() => true);
    this.#page = this.#segmentEnd = this.#endPage = startLsn;
    this.#enterPage(startLsn);
  }

  /**
   * Where the last complete record ends, in the one form of an LSN on a branch: MAXALIGNed, the page boundary rather
   * than just past its header, after XLOG_SWITCH the start of the next segment. Never beyond `position`: padding has
   * to be pushed too. `startLsn` before there is a complete record. The end of a record that began before `startLsn`
   * counts, although its CRC cannot be checked.
   */
  get endLsn(): Lsn {
    return this.#endPage + BigInt(this.#endOffset);
  }

  /** Where the next byte to push belongs. */
  get position(): Lsn {
    if (this.#state === State.Padding) return this.#segmentEnd - BigInt(this.#length - this.#taken);
    return this.#page + BigInt(this.#pageOffset);
  }

  /** Major version of the Postgres that wrote the WAL; unknown before the first page header. */
  get majorVersion(): number | undefined {
    return this.#pages.majorVersion;
  }

  /** Postgres timeline id in the last page header; 0 before the first. */
  get timelineId(): number {
    return this.#pages.timelineId;
  }

  /**
   * Takes the bytes that follow those pushed before; keeps no reference to `data`. Throws XX001 (party `source`) for
   * damage, and whatever `onRecord` throws, and the same again on every later call. `endLsn` then still names the end
   * of the last good record.
   */
  push(data: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#take(data);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** A reader of another history that goes on from here. Throws XX001 inside a record. */
  fork(options: Pick<WalReaderOptions, "onRecord" | "select"> = {}): WalReader {
    if (this.position !== this.endLsn) throw walDamage(this.endLsn, "another history begins in this record");
    const reader = new WalReader({ ...options, startLsn: this.#page, walSegmentSize: this.#walSegmentSize });
    reader.#state = State.Boundary;
    reader.#pageOffset = this.#pageOffset;
    reader.#endPage = this.#endPage;
    reader.#endOffset = this.#endOffset;
    reader.#pages = this.#pages.clone();
    reader.#records = this.#records.clone();
    return reader;
  }

  #take(data: Buffer): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let at = 0;
    while (at < data.length) {
      if (this.#state === State.Padding) at = this.#takePadding(data, at);
      else if (this.#pageOffset < this.#pageHeaderSize) at = this.#takePageHeader(data, view, at);
      else if (this.#state === State.Boundary) at = this.#takeRecords(data, view, at);
      else if (this.#state === State.Record) at = this.#takeRecordPart(data, view, at);
      else at = this.#takeRemainder(data, at);
      if (this.#pageOffset === WAL_PAGE_SIZE) this.#enterPage(this.#page + BigInt(WAL_PAGE_SIZE));
    }
  }

  #enterPage(lsn: Lsn): void {
    this.#page = lsn;
    this.#pageHigh = Number(lsn >> 32n);
    this.#pageLow = Number(lsn & 0xffffffffn);
    this.#pageOffset = 0;
    this.#segmentEnd = nextSegmentStart(lsn, this.#walSegmentSize);
    this.#pageHeaderSize = walPageHeaderSize(lsn, this.#walSegmentSize);
    this.#pageHeader.clear();
  }

  #takePageHeader(data: Buffer, view: DataView, at: number): number {
    const size = this.#pageHeaderSize;
    if (this.#pageOffset === 0 && data.length - at >= size) {
      this.#pageOffset = size;
      this.#enterPageBody(view, at);
      return at + size;
    }
    const taken = this.#pageHeader.take(data, at, data.length, size);
    this.#pageOffset += taken;
    if (this.#pageOffset === size) this.#enterPageBody(this.#pageHeader.view, 0);
    return at + taken;
  }

  #enterPageBody(view: DataView, at: number): void {
    const page = this.#page;
    const header = parseWalPageHeader(view, at, page, this.#walSegmentSize);
    this.#pages.append(header, page);
    if (this.#state === State.Unknown && header.remainingLength !== undefined) {
      this.#state = State.Remainder;
      this.#length = header.remainingLength;
      this.#taken = 0;
      return;
    }
    const inside = this.#state === State.Record || this.#state === State.Remainder;
    const missing = inside && !header.overwritesContrecord ? this.#length - this.#taken : undefined;
    if (header.remainingLength !== missing) {
      const found = header.remainingLength ?? 0;
      throw walDamage(page, `${found} bytes of a record follow, expected ${missing ?? 0}`);
    }
    if (missing !== undefined) return;
    this.#parts = undefined;
    this.#state = State.Boundary;
  }

  /** The hot path: all records that lie wholly in what was pushed of this page. */
  #takeRecords(data: Buffer, view: DataView, start: number): number {
    const pageStart = start - this.#pageOffset;
    const limit = Math.min(data.length, pageStart + WAL_PAGE_SIZE);
    const high = this.#pageHigh;
    let at = start;
    while (limit - at >= RECORD_HEADER_SIZE) {
      const low = this.#pageLow + (at - pageStart);
      const length = view.getUint32(at, true);
      checkRecordLength(length, high, low);
      const next = at + alignRecord(length);
      if (next > limit) break;
      this.#records.check(view, at, high, low);
      const crc = crc32c(data, view, at + RECORD_HEADER_SIZE, at + length, 0);
      checkRecordCrc(data, view, at, crc, high, low);
      this.#pageOffset = next - pageStart;
      const bytes = this.#wants(view, at) ? data.subarray(at, at + length) : undefined;
      this.#endRecord(view, at, high, low, bytes);
      at = next;
      if (this.#state === State.Padding) return at;
    }
    if (at < limit) this.#enterRecord();
    return at;
  }

  #enterRecord(): void {
    this.#state = State.Record;
    this.#startHigh = this.#pageHigh;
    this.#startLow = this.#pageLow + this.#pageOffset;
    this.#length = this.#taken = this.#crc = 0;
    this.#header.clear();
  }

  /** As much of one record as this push holds of this page. */
  #takeRecordPart(data: Buffer, view: DataView, start: number): number {
    const limit = Math.min(data.length, start + WAL_PAGE_SIZE - this.#pageOffset);
    const header = this.#header;
    let at = start;
    if (this.#taken < RECORD_HEADER_SIZE) {
      at += header.take(data, at, limit, RECORD_HEADER_SIZE);
      this.#taken = header.length;
      if (this.#length === 0 && this.#taken >= 4) {
        this.#length = header.view.getUint32(0, true);
        checkRecordLength(this.#length, this.#startHigh, this.#startLow);
      }
      if (this.#taken === RECORD_HEADER_SIZE) {
        this.#records.check(header.view, 0, this.#startHigh, this.#startLow);
        if (this.#wants(header.view, 0)) this.#parts = [Buffer.from(header.bytes)];
      }
    }
    if (this.#taken >= RECORD_HEADER_SIZE) {
      const end = Math.min(limit, at + Math.max(0, this.#length - this.#taken));
      this.#crc = crc32c(data, view, at, end, this.#crc);
      this.#parts?.push(Buffer.from(data.subarray(at, end)));
      const next = Math.min(limit, at + alignRecord(this.#length) - this.#taken);
      this.#taken += next - at;
      at = next;
    }
    this.#pageOffset += at - start;
    if (this.#length !== 0 && this.#taken === alignRecord(this.#length)) {
      checkRecordCrc(header.bytes, header.view, 0, this.#crc, this.#startHigh, this.#startLow);
      const bytes = this.#parts && Buffer.concat(this.#parts);
      this.#parts = undefined;
      this.#endRecord(header.view, 0, this.#startHigh, this.#startLow, bytes);
    }
    return at;
  }

  #wants(view: DataView, at: number): boolean {
    return this.#onRecord !== undefined && this.#select(view.getUint8(at + 17), view.getUint8(at + 16));
  }

  /** `bytes` are those of a wanted record. */
  #endRecord(view: DataView, at: number, high: number, low: number, bytes: Buffer | undefined): void {
    this.#records.append(high, low);
    const switches = isSegmentSwitch(view.getUint8(at + 17), view.getUint8(at + 16));
    if (bytes !== undefined) {
      const endLsn = switches ? this.#segmentEnd : this.#page + BigInt(this.#pageOffset);
      this.#onRecord?.(new WalRecord(joinLsn(high, low), endLsn, this.#pages.majorVersion as number, bytes));
    }
    if (switches) this.#enterPadding();
    else this.#enterBoundary();
  }

  #enterBoundary(): void {
    this.#state = State.Boundary;
    this.#endPage = this.#page;
    this.#endOffset = this.#pageOffset;
  }

  #enterPadding(): void {
    this.#length = Number(this.#segmentEnd - this.#page) - this.#pageOffset;
    this.#taken = 0;
    if (this.#length > 0) this.#state = State.Padding;
    else this.#enterBoundary();
  }

  #takeRemainder(data: Buffer, start: number): number {
    const missing = alignRecord(this.#length) - this.#taken;
    const next = Math.min(data.length, start + WAL_PAGE_SIZE - this.#pageOffset, start + missing);
    this.#taken += next - start;
    this.#pageOffset += next - start;
    if (next - start === missing) this.#enterBoundary();
    return next;
  }

  #takePadding(data: Buffer, start: number): number {
    const next = Math.min(data.length, start + this.#length - this.#taken);
    this.#taken += next - start;
    if (this.#taken === this.#length) {
      this.#enterPage(this.#segmentEnd);
      this.#enterBoundary();
    }
    return next;
  }
}
