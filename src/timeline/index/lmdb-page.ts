/** Pages of LMDB's trees, as 64-bit little-endian machines write them (mdb.c: MDB_page, MDB_node). */

const HEADER_BYTES = 24;
const NODE_BYTES = 8;
const [BRANCH, LEAF, OVERFLOW] = [0x01, 0x02, 0x04];
const [BIG, TREE] = [0x01, 0x02];
const BIG_BYTES = 24;

/** A node of a page of a tree. */
export interface Node {
  readonly key: Buffer;
  /** Of a branch page: the page beneath. */
  readonly child?: number;
  /** Of a leaf page: the value, unless it has pages of its own. */
  readonly value?: Buffer;
  /** Of a leaf page: the pages that the value has of its own. */
  readonly big?: { readonly page: number; readonly pages: number; readonly length: number };
  /** Whether the value is the head of a tree. */
  readonly isTree: boolean;
}

/** A page of a tree. */
export interface TreePage {
  readonly isLeaf: boolean;
  readonly transaction: number;
  readonly nodes: readonly Node[];
}

/** Reads page `number`. Undefined if it is none of a tree, or anything in it is where it cannot be. */
export function readTreePage(page: Buffer, number: number): TreePage | undefined {
  const flags = page.readUInt16LE(18);
  const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
  const room = page.length - HEADER_BYTES;
  if (page.readBigUInt64LE(0) !== BigInt(number) || (flags !== BRANCH && flags !== LEAF)) return undefined;
  if (lower % 2 !== 0 || lower > upper || upper > room) return undefined;
  const isLeaf = flags === LEAF;
  const nodes: Node[] = [];
  let used = 0;
  for (let i = 0; i < lower / 2; i++) {
    const offset = page.readUInt16LE(HEADER_BYTES + 2 * i);
    if (offset < upper || offset + NODE_BYTES > room) return undefined;
    const node = readNode(page.subarray(HEADER_BYTES + offset), isLeaf);
    if (node === undefined) return undefined;
    used += node.bytes;
    nodes.push(node.node);
  }
  // Nodes lie one behind the other up to the page's end: one that overlaps another makes this wrong.
  if (used !== room - upper) return undefined;
  return { isLeaf, transaction: Number(page.readBigUInt64LE(8)), nodes };
}

function readNode(bytes: Buffer, isLeaf: boolean): { node: Node; bytes: number } | undefined {
  const [low, high] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2)];
  const [flags, keyLength] = [bytes.readUInt16LE(4), bytes.readUInt16LE(6)];
  const end = NODE_BYTES + keyLength;
  if (end > bytes.length) return undefined;
  const key = bytes.subarray(NODE_BYTES, end);
  const even = (length: number) => length + (length % 2);
  if (!isLeaf) {
    const child = low + high * 2 ** 16 + flags * 2 ** 32;
    return { node: { key, child, isTree: false }, bytes: even(end) };
  }
  if ((flags & ~(BIG | TREE)) !== 0) return undefined;
  const length = low + high * 2 ** 16;
  const isBig = (flags & BIG) !== 0;
  const valueEnd = end + (isBig ? BIG_BYTES : length);
  if (valueEnd > bytes.length) return undefined;
  const value = bytes.subarray(end, valueEnd);
  const isTree = (flags & TREE) !== 0;
  if (!isBig) return { node: { key, value, isTree }, bytes: even(valueEnd) };
  const [page, pages] = [Number(value.readBigUInt64LE(0)), Number(value.readBigUInt64LE(16))];
  return { node: { key, big: { page, pages, length }, isTree }, bytes: even(valueEnd) };
}

/** The value in pages of its own, read from the first of them on. Undefined if they are not what they have to be. */
export function readBigValue(
  bytes: Buffer,
  number: number,
  pages: number,
  length: number,
): Buffer | undefined {
  const sound =
    bytes.readBigUInt64LE(0) === BigInt(number) &&
    bytes.readUInt16LE(18) === OVERFLOW &&
    bytes.readUInt32LE(20) === pages &&
    HEADER_BYTES + length <= bytes.length;
  return sound ? bytes.subarray(HEADER_BYTES, HEADER_BYTES + length) : undefined;
}
