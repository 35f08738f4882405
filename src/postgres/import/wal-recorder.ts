import { NeonError } from "../../errors.js";
import { FRAME_CONTENT_BYTES } from "../../limits.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { RecordInit } from "../../timeline/frame/record-batch.js";
import { judgedBy, type Recoverability } from "../wal/recoverability.js";
import { WalReader, type WalReaderOptions } from "../wal/wal-reader.js";

/** What frames of WAL are appended to. */
export interface WalSink {
  /** A frame of WAL, histories and markers, after which complete WAL ends at `endLsn`. */
  appendWal(endLsn: Lsn, records: RecordInit[]): Promise<void>;
}

interface Chunk {
  readonly timelineId: number;
  readonly data: Buffer;
}

/**
 * Makes frames of streamed WAL. The stream is cut inside records as it pleases; frames hold it up to the end of the last
 * complete, checked record, and only of a record larger than a frame an incomplete part.
 */
export class WalRecorder {
  readonly #chain: WalSink;
  readonly #reader: WalReader;
  #pending: Chunk[] = [];
  #pendingBytes = 0;
  #receivedLsn: Lsn;
  #storedLsn: Lsn;
  #histories = new Map<number, Uint8Array>();

  /** `judge` says what WAL no Postgres recovers: none of it is taken. */
  constructor(chain: WalSink, options: WalReaderOptions, judge: Recoverability) {
    this.#chain = chain;
    this.#reader = new WalReader({ ...options, ...judgedBy(judge, () => this.#reader) });
    this.#receivedLsn = this.#storedLsn = options.startLsn;
  }

  /** End of what was taken. */
  get receivedLsn(): Lsn {
    return this.#receivedLsn;
  }

  /** End of what is in frames. */
  get storedLsn(): Lsn {
    return this.#storedLsn;
  }

  /** Whether a head could stand at or after `lsn` now: complete records reach it, and nothing beyond them is stored. */
  reaches(lsn: Lsn): boolean {
    return this.#reader.endLsn >= lsn && this.#reader.endLsn >= this.#storedLsn;
  }

  /** End of the last complete record. */
  get endLsn(): Lsn {
    return this.#reader.endLsn;
  }

  /** Takes WAL that is in frames already: what follows is checked against it. */
  skip(lsn: Lsn, data: Buffer): void {
    this.assertNext(lsn);
    this.#reader.push(data);
    this.#receivedLsn += BigInt(data.length);
    this.#storedLsn = this.#receivedLsn;
  }

  /** Keeps a timeline's history file until its first WAL goes into a frame, and puts it in front of that. */
  announce(timelineId: number, historyFile: Uint8Array): void {
    this.#histories.set(timelineId, historyFile);
  }

  /**
   * Takes WAL of a Postgres timeline and ownership of its bytes. Resolves when more is welcome.
   * Throws XX001 for damage, and for a gap, 55000 for WAL that no Postgres recovers: what is before it is taken.
   */
  async take(timelineId: number, lsn: Lsn, data: Buffer): Promise<void> {
    this.assertNext(lsn);
    try {
      this.#reader.push(data);
    } catch (error) {
      const good = Number(this.#reader.endLsn - lsn);
      if (good > 0) this.#keep(timelineId, data.subarray(0, good));
      throw error;
    }
    this.#keep(timelineId, data);
    if (this.#pendingBytes < FRAME_CONTENT_BYTES) return;
    const { endLsn } = this.#reader;
    const upTo = endLsn > this.#storedLsn ? endLsn : this.#receivedLsn;
    await this.#chain.appendWal(endLsn, this.#cut(upTo));
  }

  /** Appends the complete records that are in no frame yet, if there are any. */
  async flush(): Promise<void> {
    const { endLsn } = this.#reader;
    if (endLsn > this.#storedLsn) await this.#chain.appendWal(endLsn, this.#cut(endLsn));
  }

  /** Appends the complete records that are in no frame yet, and `marker` behind them in the same frame. */
  async mark(marker: RecordInit): Promise<void> {
    const { endLsn } = this.#reader;
    await this.#chain.appendWal(endLsn, [...this.#cut(endLsn), marker]);
  }

  #keep(timelineId: number, data: Buffer): void {
    this.#pending.push({ timelineId, data });
    this.#pendingBytes += data.length;
    this.#receivedLsn += BigInt(data.length);
  }

  /** Takes what is pending up to an LSN out, as a record for each run of one timeline. */
  #cut(upTo: Lsn): RecordInit[] {
    const records: RecordInit[] = [];
    let bytes = Number(upTo - this.#storedLsn);
    while (bytes > 0) {
      const timelineId = (this.#pending[0] as Chunk).timelineId;
      const startLsn = this.#storedLsn;
      const parts: Buffer[] = [];
      for (
        let chunk = this.#pending[0];
        bytes > 0 && chunk?.timelineId === timelineId;
        chunk = this.#pending[0]
      ) {
        const part = chunk.data.subarray(0, bytes);
        parts.push(part);
        bytes -= part.length;
        this.#pendingBytes -= part.length;
        this.#storedLsn += BigInt(part.length);
        if (part.length === chunk.data.length) this.#pending.shift();
        else this.#pending[0] = { timelineId, data: chunk.data.subarray(part.length) };
      }
      const content = this.#histories.get(timelineId);
      if (content !== undefined) {
        const value = { postgresTimelineId: timelineId, content };
        records.push({ record: { case: "timelineHistory", value } });
        this.#histories.delete(timelineId);
      }
      const data = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      records.push({ record: { case: "wal", value: { postgresTimelineId: timelineId, startLsn, data } } });
    }
    return records;
  }

  /** Throws XX001 unless WAL of `lsn` is what comes next. */
  assertNext(lsn: Lsn): void {
    if (lsn === this.#receivedLsn) return;
    const expected = formatLsn(this.#receivedLsn);
    throw new NeonError(
      "data_corrupted",
      `the server sent WAL of ${formatLsn(lsn)} where that of ${expected} was due`,
      { party: "source" },
    );
  }
}
