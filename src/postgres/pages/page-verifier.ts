import { type PageImages, RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { BLOCK_SIZE } from "../../limits.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { pageChecksum } from "./page-checksum.js";
import { type PageName, pageKey } from "./restored-pages.js";

const CHECKSUM_OFFSET = 8;

/** Suspect pages at most of which it is asked whether the WAL restores them. */
const MAX_SUSPECTS = 65_536;

/** Tells which of the pages with these keys recovery makes whole. */
export type FindRestored = (keys: ReadonlySet<string>) => Promise<ReadonlySet<string>>;

/** What was found of the pages of a base backup. */
export interface VerifiedPages {
  /** Pages whose checksum was checked; 0 without data checksums. */
  readonly pages: number;
  /** The first one. */
  readonly bad: BadPage | undefined;
}

/** A bad page. */
export interface BadPage {
  /** Number of the frame that holds it. */
  readonly seq: number;
  readonly name: PageName;
  /** Which page it is, and what is wrong with it. */
  readonly text: string;
}

/** What is taken of page images. */
export type TakenPages = Pick<PageImages, "blocks" | "pages"> & {
  readonly relation?: Partial<Omit<PageName, "block">> | undefined;
};

interface Suspect {
  readonly seq: number;
  readonly name: PageName;
  readonly lsn: Lsn;
  /** Whether the checksum is wrong. Otherwise the page is suspect only if its LSN lies behind the backup's end. */
  readonly torn: boolean;
}

/**
 * Finds bad pages among those of a base backup: with a wrong checksum, or with an LSN that nobody had written when the
 * backup ended. A page can be torn because it was written while it was copied; then the WAL of the backup restores it,
 * and nothing else excuses it. Whether the cluster has checksums need not be known before the end.
 */
export class PageVerifier {
  readonly #checkedBefore: Lsn;
  #pages = 0;
  #suspects = new Map<string, Suspect>();
  #overflow: Suspect | undefined;

  /** Somebody else has checked the checksums of pages with an LSN before `checkedBefore`. */
  constructor(checkedBefore: Lsn = 0n) {
    this.#checkedBefore = checkedBefore;
  }

  /** One that goes on from here by itself. */
  fork(): PageVerifier {
    const fork = new PageVerifier(this.#checkedBefore);
    fork.#pages = this.#pages;
    fork.#suspects = new Map(this.#suspects);
    fork.#overflow = this.#overflow;
    return fork;
  }

  /** Takes page images of frame `seq`, which came when the WAL up to `walLsn` was there. */
  takePages(seq: number, { relation, blocks, pages }: TakenPages, walLsn: Lsn): void {
    // Numbers, since this runs for every page: exact wherever an LSN is not nonsense.
    const [from, to] = [Number(this.#checkedBefore), Number(walLsn)];
    const bytes = Buffer.from(pages.buffer, pages.byteOffset, pages.length);
    for (const [index, block] of blocks.entries()) {
      const page = bytes.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
      const lsn = page.readUInt32LE(0) * 2 ** 32 + page.readUInt32LE(4);
      if (lsn < from) continue;
      this.#pages++;
      const torn = pageChecksum(page, block) !== page.readUInt16LE(CHECKSUM_OFFSET) && !isZero(page);
      if (!torn && lsn <= to) continue;
      const { tablespaceOid = 0, databaseOid = 0, relationNumber = 0, fork = 0 } = relation ?? {};
      const name = { tablespaceOid, databaseOid, relationNumber, fork, block };
      this.#suspect({ seq, name, lsn: pageLsn(page), torn }, walLsn);
    }
  }

  /** What was found, at the end of the backup. `findRestored` is asked only if there is a suspect. */
  async result(hasChecksums: boolean, stopLsn: Lsn, findRestored: FindRestored): Promise<VerifiedPages> {
    const pages = hasChecksums ? this.#pages : 0;
    const suspects = new Map<string, Suspect>();
    for (const [key, suspect] of this.#suspects) {
      if ((suspect.torn && hasChecksums) || suspect.lsn > stopLsn) suspects.set(key, suspect);
    }
    if (suspects.size === 0) return { pages, bad: undefined };
    if (this.#overflow === undefined) {
      for (const key of await findRestored(new Set(suspects.keys()))) suspects.delete(key);
    }
    const [first] = suspects.values();
    if (first === undefined) return { pages, bad: undefined };
    const text = describeSuspect(first, stopLsn, hasChecksums);
    const others = suspects.size === 1 ? "" : `; so are ${suspects.size - 1} other pages`;
    return { pages, bad: { seq: first.seq, name: first.name, text: `${text}${others}` } };
  }

  #suspect(suspect: Suspect, walLsn: Lsn): void {
    if (this.#suspects.size >= MAX_SUSPECTS) {
      for (const [key, { torn, lsn }] of this.#suspects) {
        if (!torn && lsn <= walLsn) this.#suspects.delete(key);
      }
    }
    if (this.#suspects.size >= MAX_SUSPECTS) this.#overflow ??= suspect;
    else this.#suspects.set(pageKey(suspect.name), suspect);
  }
}

function pageLsn(page: Buffer): Lsn {
  return (BigInt(page.readUInt32LE(0)) << 32n) | BigInt(page.readUInt32LE(4));
}

function isZero(page: Buffer): boolean {
  return page.every((byte) => byte === 0);
}

function describeSuspect({ name, torn, lsn }: Suspect, stopLsn: Lsn, hasChecksums: boolean): string {
  const { tablespaceOid, databaseOid, relationNumber, fork, block } = name;
  const forkName = (RelationForkName[fork] ?? "unknown").toLowerCase();
  const page = `page ${block} of relation ${tablespaceOid}/${databaseOid}/${relationNumber} (${forkName})`;
  if (torn && hasChecksums)
    return `${page} fails its checksum, and the WAL of the base backup does not restore it`;
  return `${page} has LSN ${formatLsn(lsn)}, which the server had not reached when the base backup ended at ${formatLsn(stopLsn)}`;
}
