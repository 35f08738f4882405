import { closeSync, fsyncSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { MAX_PAGE_BYTES, newestMetas } from "./lmdb-meta.js";

/**
 * Where LMDB cannot write its meta page it puts the number of the transaction before the last back there, and leaves the
 * rest as the failed transaction meant it. On the disk this looks as if the newest transaction had been taken back. So the
 * number of the transaction that stays the newest is written into a file beside it, by whoever has seen the failure.
 */
const SUFFIX = ".unwritten";

/** Says that the transaction after the newest one in an LMDB file was never committed. Best effort: the disk has failed. */
export function markVoid(path: string): void {
  try {
    const transaction = newestTransaction(path);
    if (transaction === undefined) return;
    const file = openSync(path + SUFFIX, "w", 0o600);
    try {
      writeSync(file, String(transaction));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // The next opening refuses the index then, rather than to guess.
  }
}

/** Whether {@link markVoid} said so of the transaction after this one. */
export function isNextVoid(path: string, transaction: number): boolean {
  return readMark(path) === transaction;
}

/** Whether there is any such mark. It has to go once another transaction has been committed. */
export function hasVoid(path: string): boolean {
  return readMark(path) !== undefined;
}

/** Takes the mark away. */
export function clearVoid(path: string): void {
  rmSync(path + SUFFIX, { force: true });
}

function readMark(path: string): number | undefined {
  try {
    return Number(readFileSync(path + SUFFIX, "utf8"));
  } catch {
    return undefined;
  }
}

function newestTransaction(path: string): number | undefined {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(2 * MAX_PAGE_BYTES);
    return newestMetas(head.subarray(0, readSync(file, head, 0, head.length, 0)))?.[0].transaction;
  } finally {
    closeSync(file);
  }
}
