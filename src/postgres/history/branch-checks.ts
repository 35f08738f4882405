import type { ConsistentPoint, Record, StartRecord } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import { WalReader } from "../wal/wal-reader.js";
import { PageVerifier } from "./page-verifier.js";
import { findRestoredPages } from "./restored-pages.js";

const CONTROL_FILE = "global/pg_control";

/** What of the frames' content can be checked, frame by frame, for all branches that share these frames. */
export class BranchChecks {
  /** Pages whose checksum was checked. */
  pages = 0;
  readonly #start: StartRecord;
  readonly #reader: ChainReader;
  readonly #wal: WalReader;
  readonly #pageVerifier: PageVerifier;
  #consistent = false;

  /** `reader` is that of any of the branches. */
  constructor(start: StartRecord, reader: ChainReader, wal?: WalReader, pageVerifier?: PageVerifier) {
    const { walStartLsn: startLsn, walSegmentSize, systemIdentifier } = start;
    this.#start = start;
    this.#reader = reader;
    this.#wal = wal ?? new WalReader({ startLsn, walSegmentSize, systemIdentifier });
    this.#pageVerifier = pageVerifier ?? new PageVerifier(start.backupStartLsn);
  }

  /** End of the last good record. */
  get endLsn(): Lsn {
    return this.#wal.endLsn;
  }

  /** The checks of other branches, which go on from here. Throws XX001 inside a WAL record. */
  fork(): BranchChecks {
    const checks = new BranchChecks(this.#start, this.#reader, this.#wal.fork(), this.#pageVerifier.fork());
    checks.pages = this.pages;
    checks.#consistent = this.#consistent;
    return checks;
  }

  /** Takes frame `seq`, its WAL up to `end`. Throws XX001, or a {@link BadPageError}. */
  async take(seq: number, records: readonly Record[], end?: Lsn): Promise<void> {
    for (const { record } of records) {
      if (record.case === "wal") this.#takeWal(record.value, end);
      else if (record.case === "pageImages") this.#pageVerifier.takePages(seq, record.value);
      else if (record.case === "filePiece" && record.value.path === CONTROL_FILE)
        this.#pageVerifier.takeControlFile(record.value.data);
      else if (record.case === "consistentPoint") await this.#endBackup(record.value);
    }
  }

  /** Takes the WAL of the frame that was taken last from where that ended up to `end`. */
  takeMore(records: readonly Record[], end?: Lsn): void {
    const { position } = this.#wal;
    for (const { record } of records) {
      if (record.case !== "wal") continue;
      const { startLsn, data } = record.value;
      const taken = startLsn < position ? Math.min(data.length, Number(position - startLsn)) : 0;
      if (taken === data.length) continue;
      this.#takeWal({ startLsn: startLsn + BigInt(taken), data: data.subarray(taken) }, end);
    }
  }

  /** Throws XX001 unless a branch can end at `headLsn`. */
  finish(headLsn: Lsn): void {
    if (!this.#consistent) throw damaged("the base backup does not end");
    if (this.endLsn === headLsn) return;
    throw damaged(
      `the head is at ${formatLsn(headLsn)}, its last complete WAL record ends at ${formatLsn(this.endLsn)}`,
    );
  }

  #takeWal({ startLsn, data }: { startLsn: Lsn; data: Uint8Array }, end: Lsn | undefined): void {
    if (end !== undefined && startLsn >= end) return;
    if (startLsn !== this.#wal.position) {
      throw damaged(`its WAL begins at ${formatLsn(startLsn)}, ${formatLsn(this.#wal.position)} was due`);
    }
    const length =
      end === undefined || end - startLsn > BigInt(data.length) ? data.length : Number(end - startLsn);
    this.#wal.push(Buffer.from(data.buffer, data.byteOffset, length));
  }

  async #endBackup({ backupStopLsn }: ConsistentPoint): Promise<void> {
    const wal = { ...this.#start, reader: this.#reader, backupStopLsn };
    const { pages, bad } = await this.#pageVerifier.result((keys) => findRestoredPages(wal, keys));
    this.#consistent = true;
    this.pages = pages;
    if (bad !== undefined) throw new BadPageError(bad.seq, bad.text);
  }
}

/** A page whose checksum is wrong, in frame `seq`. */
export class BadPageError extends Error {
  readonly seq: number;

  constructor(seq: number, text: string) {
    super(text);
    this.seq = seq;
  }
}

/** The error for damage, in words. */
export function damaged(text: string): NeonError {
  return new NeonError("data_corrupted", text, { party: "source" });
}
