import { type PageImages, RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { BLOCK_SIZE } from "../../limits.js";
import type { Lsn } from "../../lsn.js";
import { parsePgControl } from "../control-file.js";
import { pageChecksum } from "../page-checksum.js";
import { pageKey } from "./restored-pages.js";

const CHECKSUM_OFFSET = 8;

/** Pages with a wrong checksum at most of which it is asked whether the WAL restores them. */
const MAX_TORN = 65_536;

/** A page whose checksum is wrong. */
export interface BadPage {
  /** Number of the frame that holds it. */
  readonly seq: number;
  /** Which page, in words. */
  readonly text: string;
}

/**
 * Checks the checksums of a base backup's pages. Whether the cluster has any is known only at the backup's end, where
 * pg_control comes.
 */
export class PageVerifier {
  readonly #backupStartLsn: Lsn;
  #pages = 0;
  readonly #bad = new Map<string, BadPage>();
  readonly #control: Buffer[] = [];

  /** Pages with this LSN or a later one changed during the backup and may be torn; recovery makes them whole. */
  constructor(backupStartLsn: Lsn) {
    this.#backupStartLsn = backupStartLsn;
  }

  /** One that goes on from here by itself. */
  fork(): PageVerifier {
    const fork = new PageVerifier(this.#backupStartLsn);
    fork.#pages = this.#pages;
    for (const [key, page] of this.#bad) fork.#bad.set(key, page);
    fork.#control.push(...this.#control);
    return fork;
  }

  /** Takes page images of frame `seq`. */
  takePages(seq: number, { relation, blocks, pages }: PageImages): void {
    const bytes = Buffer.from(pages.buffer, pages.byteOffset, pages.length);
    for (const [index, block] of blocks.entries()) {
      const page = bytes.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
      if (pageChecksum(page, block) === page.readUInt16LE(CHECKSUM_OFFSET)) this.#pages++;
      else if (!this.#mayDiffer(page)) {
        this.#pages++;
        if (this.#bad.size > MAX_TORN) continue;
        const { tablespaceOid = 0, databaseOid = 0, relationNumber = 0, fork = 0 } = relation ?? {};
        const name = `${tablespaceOid}/${databaseOid}/${relationNumber}`;
        const forkName = (RelationForkName[fork] ?? "unknown").toLowerCase();
        const text = `page ${block} of relation ${name} (${forkName}) fails its checksum`;
        this.#bad.set(pageKey({ tablespaceOid, databaseOid, relationNumber, fork, block }), { seq, text });
      }
    }
  }

  /** Takes a piece of `global/pg_control`. */
  takeControlFile(data: Uint8Array): void {
    this.#control.push(Buffer.from(data));
  }

  /**
   * What was found, at the end of the backup. Without data checksums nothing was checked. A page that was written while
   * it was copied can be torn with an old LSN: `findRestored` tells which of the pages with these keys recovery makes
   * whole.
   */
  async result(
    findRestored: (keys: ReadonlySet<string>) => Promise<ReadonlySet<string>>,
  ): Promise<{ pages: number; bad: BadPage | undefined }> {
    const hasChecksums =
      this.#control.length > 0 && parsePgControl(Buffer.concat(this.#control)).dataChecksumVersion !== 0;
    if (!hasChecksums) return { pages: 0, bad: undefined };
    if (this.#bad.size > 0 && this.#bad.size <= MAX_TORN) {
      for (const key of await findRestored(new Set(this.#bad.keys()))) {
        this.#bad.delete(key);
        this.#pages--;
      }
    }
    return { pages: this.#pages, bad: this.#bad.values().next().value };
  }

  #mayDiffer(page: Buffer): boolean {
    const lsn = (BigInt(page.readUInt32LE(0)) << 32n) | BigInt(page.readUInt32LE(4));
    return lsn >= this.#backupStartLsn || page.every((byte) => byte === 0);
  }
}
