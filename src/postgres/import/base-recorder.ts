import { BLOCK_SIZE, FRAME_CONTENT_BYTES } from "../../limits.js";
import type { RecordInit } from "../../timeline/frame/record-batch.js";
import { pathBytes } from "../byte-path.js";
import type { TakenPages } from "../pages/page-verifier.js";
import { type BackupFile, classifyBackupFile } from "./backup-file.js";
import type { ImportChain } from "./import-chain.js";

/** Records in a frame at most: many small files are long before their bytes are. */
const MAX_RECORDS = 4096;

const CONTROL_FILE = "global/pg_control";

/**
 * Makes frames of the files of a base backup. This is where an import copies: what comes from the socket goes, once,
 * into the buffer that holds the frame in the making, which is used again for the next frame.
 *
 * One file at a time: `begin`, `write` as often as there are bytes, `end`.
 */
export class BaseRecorder {
  readonly #chain: ImportChain;
  readonly #segmentBlocks: number;
  readonly #content = Buffer.allocUnsafe(FRAME_CONTENT_BYTES);
  #used = 0;
  #records: RecordInit[] = [];
  #file: BackupFile = { kind: "dropped" };
  #fileSize = 0;
  /** Bytes of the file that are in records. */
  #recorded = 0;
  /** The record in the making: from #recordStart up to #recordLimit of #content. */
  #recordStart = 0;
  #recordLimit = 0;
  #controlFile: Buffer[] = [];
  readonly #onPages: (pages: TakenPages) => void;

  /**
   * `segmentBlocks` is the number of pages in each file of a relation fork but the last. `onPages` sees the pages of
   * relations; it keeps none of their bytes.
   */
  constructor(chain: ImportChain, segmentBlocks: number, onPages: (pages: TakenPages) => void) {
    this.#chain = chain;
    this.#segmentBlocks = segmentBlocks;
    this.#onPages = onPages;
  }

  /** The backup's pg_control, as far as it came. */
  get controlFile(): Buffer {
    return Buffer.concat(this.#controlFile);
  }

  /** Records a directory. */
  async directory(path: string): Promise<void> {
    await this.#add({ record: { case: "directory", value: { path: pathBytes(path) } } });
  }

  /** Begins a file of `size` bytes. */
  begin(path: string, size: number): void {
    this.#file = classifyBackupFile(path, size, this.#segmentBlocks);
    this.#fileSize = size;
    this.#recorded = 0;
    this.#recordStart = this.#recordLimit = this.#used;
  }

  /** Takes bytes of the file, and copies them before it returns or before the promise, if it returns one, resolves. */
  write(data: Buffer): Promise<void> | undefined {
    if (this.#file.kind === "dropped") return undefined;
    const taken = this.#fill(data, 0);
    return taken === data.length ? undefined : this.#writeOn(data, taken);
  }

  /** Ends the file. An empty one becomes a record too: Postgres misses it otherwise. */
  async end(): Promise<void> {
    if (this.#file.kind === "dropped") return;
    if (this.#used > this.#recordStart || this.#fileSize === 0) await this.#endRecord();
    this.#file = { kind: "dropped" };
  }

  /** Appends what is not yet in a frame. */
  async flush(): Promise<void> {
    if (this.#records.length === 0) return;
    const records = this.#records;
    this.#records = [];
    this.#used = this.#recordStart = this.#recordLimit = 0;
    await this.#chain.appendBase(records);
  }

  #fill(data: Buffer, offset: number): number {
    const length = Math.min(data.length - offset, this.#recordLimit - this.#used);
    if (length > 0) this.#used += data.copy(this.#content, this.#used, offset, offset + length);
    return offset + length;
  }

  async #writeOn(data: Buffer, offset: number): Promise<void> {
    let taken = offset;
    while (taken < data.length) {
      if (this.#used > this.#recordStart) await this.#endRecord();
      if (!this.#beginRecord()) {
        await this.flush();
        this.#beginRecord();
      }
      taken = this.#fill(data, taken);
    }
  }

  /** Makes room for the next record of the file. False if the frame has none: of a relation, only whole pages. */
  #beginRecord(): boolean {
    const room = this.#content.length - this.#used;
    const usable = this.#file.kind === "relation" ? room - (room % BLOCK_SIZE) : room;
    this.#recordStart = this.#used;
    this.#recordLimit = this.#used + Math.min(usable, this.#fileSize - this.#recorded);
    return usable > 0;
  }

  async #endRecord(): Promise<void> {
    const data = this.#content.subarray(this.#recordStart, this.#used);
    const offset = this.#recorded;
    this.#recorded += data.length;
    this.#recordStart = this.#recordLimit = this.#used;
    if (this.#file.kind === "relation") {
      const { relation, firstBlock } = this.#file;
      const first = firstBlock + offset / BLOCK_SIZE;
      const blocks = Array.from({ length: data.length / BLOCK_SIZE }, (_, index) => first + index);
      this.#onPages({ relation, blocks, pages: data });
      await this.#add({ record: { case: "pageImages", value: { relation, blocks, pages: data } } });
    } else if (this.#file.kind === "verbatim") {
      const { path } = this.#file;
      if (path === CONTROL_FILE) this.#controlFile.push(Buffer.from(data));
      await this.#add({
        record: { case: "filePiece", value: { path: pathBytes(path), offset: BigInt(offset), data } },
      });
    }
  }

  async #add(record: RecordInit): Promise<void> {
    this.#records.push(record);
    if (this.#records.length >= MAX_RECORDS) await this.flush();
  }
}
