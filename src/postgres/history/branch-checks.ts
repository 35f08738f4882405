import type { ConsistentPoint, Record, StartRecord } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import { ClusterChecker } from "../export/cluster-checker.js";
import { PageVerifier } from "../pages/page-verifier.js";
import { findRestoredPages } from "../pages/restored-pages.js";
import { judgedBy } from "../wal/recoverability.js";
import { WalReader } from "../wal/wal-reader.js";

/** What of the frames' content can be checked, frame by frame, for all branches that share these frames. */
export class BranchChecks {
  /** Pages whose checksum was checked. */
  pages = 0;
  readonly #start: StartRecord;
  readonly #reader: ChainReader;
  readonly #cluster: ClusterChecker;
  readonly #wal: WalReader;
  #pageVerifier: PageVerifier;

  /** `reader` is that of any of the branches. Throws XX001 and 0A000 for a start record that cannot be. */
  constructor(start: StartRecord, reader: ChainReader, from?: { cluster: ClusterChecker; wal: WalReader }) {
    const { walStartLsn: startLsn, walSegmentSize, systemIdentifier } = start;
    this.#start = start;
    this.#reader = reader;
    this.#cluster = from?.cluster.clone() ?? new ClusterChecker(start);
    const judged = judgedBy(this.#cluster.judge, () => this.#wal);
    this.#wal =
      from?.wal.fork(judged) ?? new WalReader({ startLsn, walSegmentSize, systemIdentifier, ...judged });
    this.#pageVerifier = new PageVerifier();
  }

  /** End of the last good record. */
  get endLsn(): Lsn {
    return this.#wal.endLsn;
  }

  /** The checks of other branches, which go on from here. Throws XX001 inside a WAL record. */
  fork(): BranchChecks {
    const checks = new BranchChecks(this.#start, this.#reader, { cluster: this.#cluster, wal: this.#wal });
    checks.pages = this.pages;
    checks.#pageVerifier = this.#pageVerifier.fork();
    return checks;
  }

  /** Takes frame `seq`, its WAL up to `end`. Throws XX001, 55000, or a {@link BadBaseError}. */
  async take(seq: number, records: readonly Record[], end?: Lsn): Promise<void> {
    for (const next of records) {
      const { record } = next;
      if (record.case === "wal") {
        this.#takeWal(record.value, end, next);
      } else if (record.case === "consistentPoint") {
        await this.#endBackup(seq, next, record.value);
      } else {
        this.#cluster.take(next);
        if (record.case === "pageImages") this.#pageVerifier.takePages(seq, record.value, this.endLsn);
      }
    }
  }

  /** Takes the WAL of the frame that was taken last from where that ended up to `end`. */
  takeMore(records: readonly Record[], end?: Lsn): void {
    const { position } = this.#wal;
    for (const next of records) {
      if (next.record.case !== "wal") continue;
      const { startLsn, data } = next.record.value;
      const taken = startLsn < position ? Math.min(data.length, Number(position - startLsn)) : 0;
      if (taken === data.length) continue;
      this.#takeWal({ startLsn: startLsn + BigInt(taken), data: data.subarray(taken) }, end, next);
    }
  }

  /** Throws XX001 or 55000 unless a branch can end at `headLsn`. */
  finish(headLsn: Lsn): void {
    this.#cluster.finish(headLsn);
    if (this.endLsn === headLsn) return;
    throw damaged(
      `the head is at ${formatLsn(headLsn)}, its last complete WAL record ends at ${formatLsn(this.endLsn)}`,
    );
  }

  #takeWal({ startLsn, data }: WalBytes, end: Lsn | undefined, record: Record): void {
    if (end !== undefined && startLsn >= end) return;
    if (startLsn !== this.#wal.position) {
      throw damaged(`its WAL begins at ${formatLsn(startLsn)}, ${formatLsn(this.#wal.position)} was due`);
    }
    this.#cluster.take(record);
    const length =
      end === undefined || end - startLsn > BigInt(data.length) ? data.length : Number(end - startLsn);
    this.#wal.push(Buffer.from(data.buffer, data.byteOffset, length));
  }

  async #endBackup(seq: number, record: Record, { backupStopLsn }: ConsistentPoint): Promise<void> {
    try {
      this.#cluster.take(record);
    } catch (error) {
      throw new BadBaseError(seq, NeonError.from(error).message);
    }
    const wal = { ...this.#start, reader: this.#reader, backupStopLsn };
    const hasChecksums = this.#cluster.control?.dataChecksumVersion !== 0;
    const findRestored = (keys: ReadonlySet<string>) => findRestoredPages(wal, keys);
    const { pages, bad } = await this.#pageVerifier.result(hasChecksums, backupStopLsn, findRestored);
    this.pages = pages;
    if (bad !== undefined) throw new BadBaseError(bad.seq, bad.text);
  }
}

interface WalBytes {
  readonly startLsn: Lsn;
  readonly data: Uint8Array;
}

/** What is wrong with a base backup, so that nothing of the branch can be saved, in frame `seq`. */
export class BadBaseError extends Error {
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
