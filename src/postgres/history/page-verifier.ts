import { type PageImages, RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { BLOCK_SIZE } from "../../limits.js";
import type { Lsn } from "../../lsn.js";
import { parsePgControl } from "../control-file.js";
import { pageChecksum } from "../page-checksum.js";

const CHECKSUM_OFFSET = 8;

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
  #bad: BadPage | undefined;
  #control: Buffer[] = [];

  /** Pages with this LSN or a later one changed during the backup and may be torn; recovery makes them whole. */
  constructor(backupStartLsn: Lsn) {
    this.#backupStartLsn = backupStartLsn;
  }

  /** Takes page images of frame `seq`. */
  takePages(seq: number, { relation, blocks, pages }: PageImages): void {
    const bytes = Buffer.from(pages.buffer, pages.byteOffset, pages.length);
    for (const [index, block] of blocks.entries()) {
      const page = bytes.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
      if (pageChecksum(page, block) === page.readUInt16LE(CHECKSUM_OFFSET)) this.#pages++;
      else if (!this.#mayDiffer(page)) {
        this.#pages++;
        const { tablespaceOid, databaseOid, relationNumber, fork } = relation ?? {};
        const name = `${tablespaceOid}/${databaseOid}/${relationNumber}`;
        const forkName = (RelationForkName[fork ?? 0] ?? "unknown").toLowerCase();
        this.#bad ??= { seq, text: `page ${block} of relation ${name} (${forkName}) fails its checksum` };
      }
    }
  }

  /** Takes a piece of `global/pg_control`. */
  takeControlFile(data: Uint8Array): void {
    this.#control.push(Buffer.from(data));
  }

  /** What was found, at the end of the backup. Without data checksums nothing was checked. */
  result(): { pages: number; bad: BadPage | undefined } {
    const hasChecksums =
      this.#control.length > 0 && parsePgControl(Buffer.concat(this.#control)).dataChecksumVersion !== 0;
    return hasChecksums ? { pages: this.#pages, bad: this.#bad } : { pages: 0, bad: undefined };
  }

  #mayDiffer(page: Buffer): boolean {
    const lsn = (BigInt(page.readUInt32LE(0)) << 32n) | BigInt(page.readUInt32LE(4));
    return lsn >= this.#backupStartLsn || page.every((byte) => byte === 0);
  }
}
