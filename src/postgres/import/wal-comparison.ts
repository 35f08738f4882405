import type { Lsn } from "../../lsn.js";
import { TablespacePathBlanker, type WalPatch } from "../wal/blank-tablespace-paths.js";
import type { StoredPiece, StoredWal } from "./stored-wal.js";

/**
 * Compares WAL as it comes with what a branch holds. An exported cluster holds Tablespace/CREATE records without their
 * paths: such a record counts as the same.
 */
export class WalComparison {
  readonly #stored: StoredWal;
  readonly #pieces: AsyncGenerator<StoredPiece>;
  #piece: StoredPiece | undefined;
  #patches: Promise<WalPatch[]> | undefined;

  /** `from` is where the bytes to compare begin. */
  constructor(stored: StoredWal, from: Lsn) {
    this.#stored = stored;
    this.#pieces = stored.pieces(from);
  }

  /** Compares the next bytes, none of them beyond the head. Returns the LSN of the first that differs. */
  async take(lsn: Lsn, data: Buffer): Promise<Lsn | undefined> {
    for (let at = 0; at < data.length; ) {
      const piece = this.#piece ?? (await this.#next());
      const length = Math.min(piece.data.length, data.length - at);
      const found = await this.#compare(
        lsn + BigInt(at),
        piece.data.subarray(0, length),
        data.subarray(at, at + length),
      );
      if (found !== undefined) return found;
      const rest = piece.data.subarray(length);
      this.#piece = rest.length === 0 ? undefined : { ...piece, data: rest };
      at += length;
    }
    return undefined;
  }

  /** Stops reading the branch. */
  async close(): Promise<void> {
    await this.#pieces.return(undefined);
  }

  async #next(): Promise<StoredPiece> {
    const { value, done } = await this.#pieces.next();
    if (done) throw new RangeError("the branch ends before the WAL to compare");
    return value;
  }

  async #compare(lsn: Lsn, stored: Buffer, data: Buffer): Promise<Lsn | undefined> {
    if (stored.equals(data)) return undefined;
    this.#patches ??= this.#findPatches(lsn);
    const exported = patched(lsn, stored, await this.#patches);
    for (let i = 0; i < data.length; i++) {
      if (data[i] !== stored[i] && data[i] !== exported[i]) return lsn + BigInt(i);
    }
    return undefined;
  }

  /** What an export of the branch changes from the segment before `lsn` on: a record can begin there. */
  async #findPatches(lsn: Lsn): Promise<WalPatch[]> {
    const { walStartLsn, walSegmentSize } = this.#stored.branch.start;
    const size = BigInt(walSegmentSize);
    const segment = lsn - (lsn % size);
    const startLsn = segment - size < walStartLsn ? walStartLsn : segment - size;
    const blanker = new TablespacePathBlanker({ startLsn, walSegmentSize });
    const patches: WalPatch[] = [];
    for await (const { data } of this.#stored.pieces(startLsn)) patches.push(...blanker.push(data));
    return patches;
  }
}

function patched(lsn: Lsn, data: Buffer, patches: readonly WalPatch[]): Buffer {
  const copy = Buffer.from(data);
  for (const patch of patches) {
    const offset = Number(patch.lsn - lsn);
    if (offset >= copy.length || offset + patch.bytes.length <= 0) continue;
    const skipped = Math.max(0, -offset);
    patch.bytes.copy(copy, offset + skipped, skipped);
  }
  return copy;
}
