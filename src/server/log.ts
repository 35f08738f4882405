import { openSync, writeSync } from "node:fs";
import { NeonError } from "../errors.js";

/** What the page server writes its log to. Never throws: it is not what was asked for that failed then. */
export interface Logger {
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}

/** Drops everything. */
export const noLog: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Opens a log of JSON lines, made with mode 0600 or appended to. Lines are written at once: a crash loses none. Those for
 * which the disk has no room are lost, and counted by the next one.
 */
export async function openLog(path: string): Promise<Logger> {
  const { default: pino } = await import("pino");
  const file = new LineFile(path);
  const log = pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, file);
  return {
    info: (details, text) => log.info(details, text),
    warn: (details, text) => log.warn(details, text),
    error: (details, text) => log.error(details, text),
  };
}

/** A file that lines are appended to. */
class LineFile {
  readonly #file: number;
  #lost = 0;
  /** Whether it ends inside a line. */
  #torn = false;

  constructor(path: string) {
    try {
      this.#file = openSync(path, "a", 0o600);
    } catch (error) {
      throw NeonError.from(error);
    }
  }

  write(line: string): void {
    const lost =
      this.#lost === 0 ? "" : `${JSON.stringify({ level: 40, msg: `${this.#lost} lines were lost` })}\n`;
    if (this.#append(`${this.#torn ? "\n" : ""}${lost}${line}`)) this.#lost = 0;
    else this.#lost++;
  }

  #append(text: string): boolean {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch {
      // A disk that is full takes part of it, or it fails.
    }
    if (written > 0) this.#torn = written < bytes.length;
    return written === bytes.length;
  }
}
