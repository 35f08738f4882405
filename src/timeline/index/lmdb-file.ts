import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { damagedIndex, missingIndex } from "./damaged-index.js";
import { MAX_PAGE_BYTES, type Meta, newestMetas, type Tree } from "./lmdb-meta.js";
import { type Node, readBigValue, readTreePage } from "./lmdb-page.js";
import { isNextVoid } from "./void-transaction.js";

/** Most bytes of one value that are looked at: lists of free pages can be long. */
const MAX_PAGES_OF_A_VALUE = 2 ** 20;

/** Depth of a tree at which it is none: LMDB's own limit. */
const MAX_DEPTH = 32;

/** An entry of a tree. */
export interface FileEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly isTree: boolean;
}

/**
 * The newest snapshot in an LMDB data file, read without LMDB, which trusts its file: a page number that was changed ends
 * the process, and a free list that was changed has pages in use written over. Throws XX001 for a page that is not as LMDB
 * writes it. The file must not change while it is read.
 */
export class LmdbFile {
  readonly meta: Meta;
  readonly #path: string;
  readonly #file: number;
  readonly #size: number;
  /** Pages that a tree has. */
  readonly #used = new Set<number>();

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
    this.#size = fstatSync(file).size;
    if (this.#size === 0) throw missingIndex(path);
    const [newer, older] = newestMetas(this.#bytes(0, 2 * MAX_PAGE_BYTES)) ?? [];
    if (newer === undefined || older === undefined)
      throw damagedIndex("its first two pages are not as LMDB writes them", path);
    this.meta = newer;
    this.#assertNewest(newer, older);
  }

  /**
   * Each transaction writes the root of the tables, and LMDB leaves the pages of the last two alone. So a root says which
   * transaction its meta page is of, and a number that was changed there, by which LMDB takes the older for the newer one,
   * shows.
   */
  #assertNewest(newer: Meta, older: Meta): void {
    const isVoid =
      this.#rootTransaction(older) === newer.transaction + 1 && isNextVoid(this.#path, newer.transaction);
    if (
      this.#rootTransaction(newer) === newer.transaction &&
      (isVoid || this.#rootTransaction(older) === older.transaction)
    )
      return;
    throw damagedIndex("it does not tell which transaction was the last", this.#path);
  }

  #rootTransaction({ main: { root }, pageSize }: Meta): number | undefined {
    const head = root === undefined ? Buffer.alloc(0) : this.#bytes(root * pageSize, 16);
    const isThere = head.length === 16 && head.readBigUInt64LE(0) === BigInt(root as number);
    return isThere ? Number(head.readBigUInt64LE(8)) : undefined;
  }

  /** Opens a file, and closes it when `use` has returned. Throws XX001 if it is not there, is empty, or is none of LMDB's. */
  static use<T>(path: string, use: (file: LmdbFile) => T): T {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missingIndex(path);
      throw error;
    }
    try {
      return use(new LmdbFile(path, file));
    } finally {
      closeSync(file);
    }
  }

  /** Calls `take` with the entries of a tree in the order of their keys. Checks each of its pages, and their number. */
  walk(tree: Tree, compare: (a: Buffer, b: Buffer) => number, take: (entry: FileEntry) => void): void {
    const count = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 };
    let last: Buffer | undefined;
    const visit = (number: number, depth: number, from: Buffer | undefined, to: Buffer | undefined) => {
      const page = readTreePage(this.#page(number), number);
      if (
        page === undefined ||
        page.nodes.length === 0 ||
        page.isLeaf !== (depth === tree.depth) ||
        depth > MAX_DEPTH
      )
        throw this.#damaged(number);
      if (page.transaction > this.meta.transaction) throw this.#damaged(number);
      count[page.isLeaf ? "leafPages" : "branchPages"]++;
      page.nodes.forEach((node, i) => {
        // The first key of a branch page counts for nothing, and LMDB leaves it empty.
        const begin = page.isLeaf || i > 0 ? node.key : from;
        if (begin !== undefined && from !== undefined && compare(begin, from) < 0)
          throw this.#damaged(number);
        if (begin !== undefined && to !== undefined && compare(begin, to) >= 0) throw this.#damaged(number);
        if (node.child !== undefined) {
          const next = page.nodes[i + 1]?.key;
          visit(node.child, depth + 1, begin, next ?? to);
          return;
        }
        if (last !== undefined && compare(last, node.key) >= 0) throw this.#damaged(number);
        last = node.key;
        count.entries++;
        count.overflowPages += node.big?.pages ?? 0;
        take({ key: node.key, value: this.#value(node), isTree: node.isTree });
      });
    };
    if (tree.root !== undefined) visit(tree.root, 1, undefined, undefined);
    else if (tree.depth !== 0) throw damagedIndex("a table has lost its pages", this.#path);
    for (const [what, number] of Object.entries(count)) {
      if (tree[what as keyof typeof count] !== number)
        throw damagedIndex("a table has other pages than it should", this.#path);
    }
  }

  /** Throws XX001 if a page that a tree walked so far has can be taken for another use, or one can be taken twice. */
  checkFreePages(): void {
    const free = new Set<number>();
    const byTransaction = (a: Buffer, b: Buffer) => Number(a.readBigUInt64LE(0) - b.readBigUInt64LE(0));
    this.walk(this.meta.free, byTransaction, ({ key, value }) => {
      if (key.length !== 8 || Number(key.readBigUInt64LE(0)) > this.meta.transaction)
        throw this.#badFreeList();
      for (const page of this.#freePages(value)) {
        if (page < 2 || page > this.meta.lastPage || free.has(page)) throw this.#badFreeList();
        free.add(page);
      }
    });
    for (const page of free) if (this.#used.has(page)) throw this.#badFreeList();
    const { lastPage } = this.meta;
    if (!this.#used.has(lastPage) && !free.has(lastPage)) throw this.#badFreeList();
  }

  /** A count, and then numbers of pages; where one is negative that many pages follow from the next one on (lmdb-js). */
  *#freePages(value: Buffer): Iterable<number> {
    const count = value.length < 8 ? -1 : Number(value.readBigInt64LE(0));
    if (count < 0 || 8 * (count + 1) > value.length) throw this.#badFreeList();
    for (let i = 1; i <= count; i++) {
      const entry = Number(value.readBigInt64LE(8 * i));
      if (entry >= 0) {
        if (entry > 0) yield entry;
        continue;
      }
      const first = ++i <= count ? Number(value.readBigInt64LE(8 * i)) : 0;
      if (first - entry - 1 > this.meta.lastPage) throw this.#badFreeList();
      for (let page = first; page < first - entry; page++) yield page;
    }
  }

  #value({ value, big }: Node): Buffer {
    if (big === undefined) return value as Buffer;
    const { page, pages, length } = big;
    if (pages < 1 || pages > MAX_PAGES_OF_A_VALUE) throw this.#damaged(page);
    const bytes = this.#page(page, pages);
    return readBigValue(bytes, page, pages, length) ?? this.#fail(page);
  }

  /** Whole pages, which nothing else may have. */
  #page(number: number, count = 1): Buffer {
    const { pageSize, lastPage } = this.meta;
    if (number < 2 || number + count - 1 > lastPage) throw this.#damaged(number);
    for (let i = number; i < number + count; i++) {
      if (this.#used.has(i)) throw this.#damaged(i);
      this.#used.add(i);
    }
    const bytes = this.#bytes(number * pageSize, count * pageSize);
    if (bytes.length < count * pageSize) throw this.#damaged(number);
    return bytes;
  }

  #bytes(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.#size - offset)));
    let filled = 0;
    while (filled < bytes.length) {
      const read = readSync(this.#file, bytes, filled, bytes.length - filled, offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  }

  #fail(page: number): never {
    throw this.#damaged(page);
  }

  #damaged(page: number) {
    return damagedIndex(`page ${page} is not as LMDB writes it`, this.#path);
  }

  #badFreeList() {
    return damagedIndex("its list of free pages is not as LMDB writes it", this.#path);
  }
}
