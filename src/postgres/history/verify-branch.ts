import type { ConsistentPoint, Record, StartRecord } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { pointOf } from "../../timeline/branch.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import type { DecodedFrame } from "../../timeline/decode-records.js";
import type { Branch, Store } from "../../timeline/store.js";
import { WalReader } from "../wal/wal-reader.js";
import { findForkPoint } from "./find-fork-point.js";
import { PageVerifier } from "./page-verifier.js";
import { findRestoredPages } from "./restored-pages.js";

const CONTROL_FILE = "global/pg_control";

/** What {@link verifyBranch} is told. */
export interface VerifyOptions {
  readonly store: Store;
  readonly branch: Branch;
  readonly signal?: AbortSignal;
  /** Bytes of frames as they are checked. */
  onProgress?(progress: { phase: string; bytes: number; totalBytes: number }): void;
}

/** What verification found. */
export interface Verification {
  /** Frames that were found good. */
  readonly frames: number;
  /** Bytes of these frames at rest. */
  readonly bytes: number;
  /** Pages whose checksum was checked. */
  readonly pages: number;
  /** The first damage, if there is any. */
  readonly damage: Damage | undefined;
}

/** What is wrong with a branch. */
export interface Damage {
  /** Number of the first bad frame. */
  readonly seq: number;
  readonly text: string;
  /** The last LSN before the damage that a branch can be created at; undefined if nothing can be saved. */
  readonly savedLsn: Lsn | undefined;
}

/**
 * Checks all that can be checked of a branch: the digest of every frame and its place in the chain, the CRC of every
 * WAL record, that no WAL is missing, and the checksums of the base backup's pages where the cluster has them. Damage
 * is a result, not an error. Throws the signal's reason if it aborts.
 */
export async function verifyBranch(options: VerifyOptions): Promise<Verification> {
  const { store, branch, signal } = options;
  const release = store.pin(pointOf(branch));
  try {
    const reader = store.reader(branch);
    const checks = new Checks(branch, reader);
    let seq = 0;
    try {
      for await (const frame of reader.decodedFrames()) {
        signal?.throwIfAborted();
        // A header that was changed is noticed by the next frame only, which names the digest that it should have.
        if (!frame.digest.equals(await reader.digest(seq)))
          throw damaged("its header is not as it was written");
        await checks.take(seq, frame);
        seq++;
        const bytes = await reader.bytes(0, seq - 1);
        options.onProgress?.({ phase: `verify ${branch.name}`, bytes, totalBytes: branch.bytes });
      }
      checks.finish(branch.head.lsn);
    } catch (thrown) {
      signal?.throwIfAborted();
      const damage = await describe(store, branch, checks, Math.min(seq, reader.lastSeq), thrown);
      return { frames: seq, bytes: await goodBytes(seq), pages: checks.pages, damage };
    }
    return { frames: seq, bytes: await goodBytes(seq), pages: checks.pages, damage: undefined };

    function goodBytes(frames: number): Promise<number> {
      return frames === 0 ? Promise.resolve(0) : reader.bytes(0, frames - 1);
    }
  } finally {
    release();
  }
}

/** What of the frames' content can be checked, frame by frame. */
class Checks {
  pages = 0;
  readonly #wal: WalReader;
  readonly #pageVerifier: PageVerifier;
  readonly #start: StartRecord;
  readonly #reader: ChainReader;
  #consistent = false;

  constructor({ start }: Branch, reader: ChainReader) {
    this.#start = start;
    this.#reader = reader;
    const { walStartLsn: startLsn, walSegmentSize, systemIdentifier } = start;
    this.#wal = new WalReader({ startLsn, walSegmentSize, systemIdentifier });
    this.#pageVerifier = new PageVerifier(start.backupStartLsn);
  }

  /** End of the last good record. */
  get endLsn(): Lsn {
    return this.#wal.endLsn;
  }

  async take(seq: number, { records }: DecodedFrame): Promise<void> {
    for (const { record } of records) {
      if (record.case === "consistentPoint") await this.#endBackup(record.value);
      else this.#takeRecord(seq, record);
    }
  }

  finish(headLsn: Lsn): void {
    if (!this.#consistent) throw damaged("the base backup does not end");
    if (this.endLsn === headLsn) return;
    throw damaged(
      `the head is at ${formatLsn(headLsn)}, its last complete WAL record ends at ${formatLsn(this.endLsn)}`,
    );
  }

  #takeRecord(seq: number, record: Record["record"]): void {
    if (record.case === "wal") {
      const { startLsn, data } = record.value;
      if (startLsn !== this.#wal.position) {
        throw damaged(`its WAL begins at ${formatLsn(startLsn)}, ${formatLsn(this.#wal.position)} was due`);
      }
      this.#wal.push(Buffer.from(data.buffer, data.byteOffset, data.length));
    } else if (record.case === "pageImages") {
      this.#pageVerifier.takePages(seq, record.value);
    } else if (record.case === "filePiece" && record.value.path === CONTROL_FILE) {
      this.#pageVerifier.takeControlFile(record.value.data);
    }
  }

  async #endBackup({ backupStopLsn }: ConsistentPoint): Promise<void> {
    const wal = { ...this.#start, reader: this.#reader, backupStopLsn };
    const { pages, bad } = await this.#pageVerifier.result((keys) => findRestoredPages(wal, keys));
    this.#consistent = true;
    this.pages = pages;
    if (bad !== undefined) throw new BadPageError(bad.seq, bad.text);
  }
}

class BadPageError extends Error {
  readonly seq: number;

  constructor(seq: number, text: string) {
    super(text);
    this.seq = seq;
  }
}

async function describe(
  store: Store,
  branch: Branch,
  checks: Checks,
  seq: number,
  thrown: unknown,
): Promise<Damage> {
  if (thrown instanceof BadPageError) return { seq: thrown.seq, text: thrown.message, savedLsn: undefined };
  const error = NeonError.from(thrown);
  if (error.code === "internal_error") throw thrown;
  return { seq, text: error.message, savedLsn: await findSavedLsn(store, branch, seq, checks.endLsn) };
}

/** Asks what creating the branch would ask, so that nothing is promised that cannot be kept. */
async function findSavedLsn(
  store: Store,
  branch: Branch,
  badSeq: number,
  lsn: Lsn,
): Promise<Lsn | undefined> {
  try {
    const head = await findForkPoint(store, branch, lsn);
    return head.seq <= badSeq ? head.lsn : undefined;
  } catch (error) {
    if (error instanceof NeonError) return undefined;
    throw error;
  }
}

function damaged(text: string): NeonError {
  return new NeonError("data_corrupted", text, { party: "source" });
}
