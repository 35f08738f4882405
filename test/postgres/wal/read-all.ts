import { WalReader, type WalReaderOptions } from "../../../src/postgres/wal/wal-reader.js";
import type { WalRecord } from "../../../src/postgres/wal/wal-record.js";

/** What a record says of itself, in one line that an assertion can show. */
export interface RecordLine {
  readonly lsn: bigint;
  readonly prev: bigint;
  readonly rmid: number;
  readonly length: number;
}

/** Pushes WAL in pieces of the sizes that `nextSize` gives, and collects the records. */
export function readAll(
  wal: Buffer,
  options: WalReaderOptions,
  nextSize: () => number = () => wal.length,
): { reader: WalReader; records: RecordLine[]; ends: bigint[] } {
  const records: RecordLine[] = [];
  const ends: bigint[] = [];
  const onRecord = (record: WalRecord) => {
    records.push({
      lsn: record.startLsn,
      prev: record.prev,
      rmid: record.rmid,
      length: record.totalLength,
    });
    ends.push(record.endLsn);
    options.onRecord?.(record);
  };
  const reader = new WalReader({ ...options, onRecord });
  pushInPieces(wal, nextSize, (piece) => reader.push(piece));
  return { reader, records, ends };
}

/** Hands out copies that are overwritten afterwards: a reader that keeps a reference gives itself away. */
export function pushInPieces(wal: Buffer, nextSize: () => number, push: (piece: Buffer) => void): void {
  for (let at = 0; at < wal.length; ) {
    const piece = Buffer.from(wal.subarray(at, at + nextSize()));
    at += piece.length;
    push(piece);
    piece.fill(0x5a);
  }
}

/** Piece sizes from one byte to `largest`, small ones as likely as large ones; the same for the same seed. */
export function randomSizes(seed: number, largest: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.max(1, Math.floor(largest ** ((state >>> 0) / 2 ** 32)));
  };
}
