/** The head of an LMDB data file, as 64-bit little-endian machines write it (mdb.c: MDB_meta, MDB_db). */

const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const META_PAGE = 0x08;

// Offsets in a meta page.
const [
  PAGE_FLAGS,
  META_MAGIC,
  META_FORMAT,
  MAP_SIZE,
  FREE_TREE,
  MAIN_TREE,
  LAST_PAGE,
  TRANSACTION,
  META_BYTES,
] = [0x12, 0x18, 0x1c, 0x28, 0x30, 0x60, 0x90, 0x98, 0xa0];

/** Flags that LMDB keeps of an environment like ours: the free list has numbers for keys. */
const ENVIRONMENT_FLAGS = 0x08;

/** The largest page that LMDB makes, in bytes. */
export const MAX_PAGE_BYTES = 65536;

/** Bytes of the head of a tree, in a meta page and as the value of a named table. */
export const TREE_BYTES = 48;

/** The number of no page: an empty tree has it for its root. */
const NO_PAGE = 2n ** 64n - 1n;

/** What LMDB knows of one of its trees. */
export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  /** Undefined if it is empty. */
  readonly root: number | undefined;
}

/** One snapshot of an LMDB file. */
export interface Meta {
  readonly pageSize: number;
  /** Number of the last page that was ever used. */
  readonly lastPage: number;
  readonly transaction: number;
  /** Which pages can be used again, by transaction. */
  readonly free: Tree;
  /** The named tables. */
  readonly main: Tree;
}

/**
 * The two snapshots of a file that begins with `head`, two pages or more, the newer one first. Undefined if either of its
 * meta pages is not what it has to be: LMDB would take the other one, and lose the newest transaction without a word. They
 * are written in turn, transaction N to page N % 2.
 */
export function newestMetas(head: Buffer): [Meta, Meta] | undefined {
  const [first, second] = bothMetas(head) ?? [];
  if (first === undefined || second === undefined) return undefined;
  if (Math.abs(first.transaction - second.transaction) !== 1) return undefined;
  return first.transaction > second.transaction ? [first, second] : [second, first];
}

function pageSizeOf(head: Buffer): number | undefined {
  if (head.length < META_BYTES) return undefined;
  const size = head.readUInt32LE(FREE_TREE);
  return size >= 256 && size <= 65536 && (size & (size - 1)) === 0 ? size : undefined;
}

function bothMetas(head: Buffer): [Meta, Meta] | undefined {
  const pageSize = pageSizeOf(head);
  if (pageSize === undefined || head.length < 2 * pageSize) return undefined;
  const [first, second] = [0, 1].map((i) => readMeta(head.subarray(i * pageSize, (i + 1) * pageSize), i));
  return first === undefined || second === undefined ? undefined : [first, second];
}

function readMeta(page: Buffer, number: number): Meta | undefined {
  const sound =
    page.readBigUInt64LE(0) === BigInt(number) &&
    page.readUInt16LE(PAGE_FLAGS) === META_PAGE &&
    page.readUInt32LE(META_MAGIC) === MAGIC &&
    page.readUInt32LE(META_FORMAT) === FORMAT &&
    page.readUInt16LE(FREE_TREE + 4) === ENVIRONMENT_FLAGS &&
    page.readUInt32LE(FREE_TREE) === page.length;
  const transaction = Number(page.readBigUInt64LE(TRANSACTION));
  const mapSize = page.readBigUInt64LE(MAP_SIZE);
  if (!sound || transaction % 2 !== number || mapSize % BigInt(page.length) !== 0n) return undefined;
  return {
    pageSize: page.length,
    transaction,
    lastPage: Number(page.readBigUInt64LE(LAST_PAGE)),
    free: readTree(page.subarray(FREE_TREE, MAIN_TREE)),
    main: readTree(page.subarray(MAIN_TREE, LAST_PAGE)),
  };
}

/** Reads the head of a tree. */
export function readTree(bytes: Buffer): Tree {
  const number = (offset: number) => Number(bytes.readBigUInt64LE(offset));
  const root = bytes.readBigUInt64LE(40);
  return {
    flags: bytes.readUInt16LE(4),
    depth: bytes.readUInt16LE(6),
    branchPages: number(8),
    leafPages: number(16),
    overflowPages: number(24),
    entries: number(32),
    root: root === NO_PAGE ? undefined : Number(root),
  };
}
