/** What a record is made of; the rest of its header comes from its place. */
export interface BuiltRecord {
  readonly rmid: number;
  readonly info: number;
  readonly body: Buffer;
  readonly xid?: number;
}

/** Where a record was put. */
export interface Placed {
  readonly start: bigint;
  readonly end: bigint;
  readonly prev: bigint;
  readonly length: number;
}

const PAGE = 8192;

/** Writes WAL as the manual's "WAL Internals" and xlog_internal.h describe it, independently of the reader. */
export class WalBuilder {
  readonly records: Placed[] = [];
  timelineId = 1;
  magic = 0xd110;
  systemIdentifier = 7n;
  readonly startLsn: bigint;
  readonly #segmentSize: number;
  #bytes: number[] = [];
  #prev = 0n;
  #remaining = 0;
  #overwrite = false;

  constructor(startLsn: bigint, segmentSize = 1024 * 1024) {
    this.startLsn = startLsn;
    this.#segmentSize = segmentSize;
  }

  get lsn(): bigint {
    return this.startLsn + BigInt(this.#bytes.length);
  }

  get bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }

  /** Bytes that are free on the current page, the header's own not among them. */
  get room(): number {
    const used = this.#bytes.length % PAGE;
    return used === 0 ? PAGE - (this.#firstOfSegment() ? 40 : 24) : PAGE - used;
  }

  /** Another builder with the same WAL up to `lsn`, the end of a record. */
  forkAt(lsn: bigint): WalBuilder {
    const fork = new WalBuilder(this.startLsn, this.#segmentSize);
    fork.#bytes = this.#bytes.slice(0, Number(lsn - this.startLsn));
    fork.records.push(...this.records.filter(({ end }) => end <= lsn));
    fork.#prev = fork.records.at(-1)?.start ?? 0n;
    return fork;
  }

  /** Begins in the middle of a record of which `length` bytes are missing. */
  beginInside(length: number): void {
    this.#remaining = length;
    this.#write(Buffer.alloc(length, 0xee));
    this.#align();
  }

  record(record: BuiltRecord): Placed {
    this.#pageHeader();
    const start = this.lsn;
    const encoded = encode(record, this.#prev);
    this.#write(encoded);
    this.#align();
    const placed = { start, end: this.lsn, prev: this.#prev, length: encoded.length };
    this.records.push(placed);
    this.#prev = start;
    return placed;
  }

  /** A record that ends `room` bytes before the end of the current page. */
  fillUpTo(room: number): Placed {
    return this.record({ rmid: 10, info: 0, body: Buffer.alloc(this.room - room - 24, 0xab) });
  }

  /** Writes a record up to the end of its first page, and gives it up as a crash does. */
  abandon(record: BuiltRecord): void {
    this.#pageHeader();
    const { room } = this;
    this.#bytes.push(...encode(record, this.#prev).subarray(0, room));
    this.#overwrite = true;
  }

  /** XLOG_SWITCH and zeros up to the next segment. */
  switchSegment(): Placed {
    const placed = this.record({ rmid: 0, info: 0x40, body: Buffer.alloc(0) });
    while (!this.#firstOfSegment()) this.#bytes.push(0);
    const switched = { ...placed, end: this.lsn };
    this.records[this.records.length - 1] = switched;
    return switched;
  }

  #firstOfSegment(): boolean {
    return this.lsn % BigInt(this.#segmentSize) === 0n;
  }

  #pageHeader(): void {
    if (this.#bytes.length % PAGE !== 0) return;
    const long = this.#firstOfSegment();
    const header = Buffer.alloc(long ? 40 : 24);
    header.writeUInt16LE(this.magic, 0);
    header.writeUInt16LE((this.#remaining > 0 ? 1 : 0) | (long ? 2 : 0) | (this.#overwrite ? 8 : 0), 2);
    header.writeUInt32LE(this.timelineId, 4);
    header.writeBigUInt64LE(this.lsn, 8);
    header.writeUInt32LE(this.#remaining, 16);
    if (long) {
      header.writeBigUInt64LE(this.systemIdentifier, 24);
      header.writeUInt32LE(this.#segmentSize, 32);
      header.writeUInt32LE(PAGE, 36);
    }
    this.#overwrite = false;
    this.#bytes.push(...header);
  }

  #write(bytes: Buffer): void {
    for (const [index, byte] of bytes.entries()) {
      this.#remaining = bytes.length - index;
      this.#pageHeader();
      this.#bytes.push(byte);
    }
    this.#remaining = 0;
  }

  #align(): void {
    while (this.#bytes.length % 8 !== 0) this.#bytes.push(0);
  }
}

function encode(record: BuiltRecord, prev: bigint): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(24 + record.body.length, 0);
  header.writeUInt32LE(record.xid ?? 0, 4);
  header.writeBigUInt64LE(prev, 8);
  header.writeUInt8(record.info, 16);
  header.writeUInt8(record.rmid, 17);
  header.writeUInt32LE(bitwiseCrc32c(Buffer.concat([record.body, header.subarray(0, 20)])), 20);
  return Buffer.concat([header, record.body]);
}

/** CRC-32C bit by bit, as its definition says. */
export function bitwiseCrc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
