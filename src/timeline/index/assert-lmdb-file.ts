import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { NeonError } from "../../errors.js";
import { damagedIndex, missingIndex } from "./damaged-index.js";

const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const NO_PAGE = 2n ** 64n - 1n;
const META_BYTES = 0xa0;
const [META_PAGE, TREE_PAGE] = [0x08, 0x03];

// Offsets in a page, little-endian, as 64-bit machines have it: pages begin with their number.
const [PAGE_FLAGS, META_MAGIC, META_FORMAT, PAGE_SIZE, FREE_ROOT, MAIN_ROOT, TRANSACTION] = [
  0x12, 0x18, 0x1c, 0x30, 0x58, 0x88, 0x98,
];

/**
 * Throws XX001 for an LMDB file whose meta pages, or the roots that they name, are not what they have to be: LMDB trusts
 * them, and the process would die without a word. LMDB would also fill a file that is not there or empty.
 */
export function assertLmdbFile(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) throw missingIndex(path);
  if (process.arch !== "x64" && process.arch !== "arm64") return;
  const file = openSync(path, "r");
  try {
    assertPages(file, path);
  } finally {
    closeSync(file);
  }
}

function assertPages(file: number, path: string): void {
  const first = readMeta(file, 0, path);
  const pageSize = first.readUInt32LE(PAGE_SIZE);
  if (pageSize < 256 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) throw damaged(path);
  const second = readMeta(file, pageSize, path);
  const newer = second.readBigUInt64LE(TRANSACTION) > first.readBigUInt64LE(TRANSACTION) ? second : first;
  if (newer.readUInt32LE(PAGE_SIZE) !== pageSize) throw damaged(path);
  for (const root of [newer.readBigUInt64LE(FREE_ROOT), newer.readBigUInt64LE(MAIN_ROOT)]) {
    if (root !== NO_PAGE) assertRoot(file, root, pageSize, path);
  }
}

function readMeta(file: number, offset: number, path: string): Buffer {
  const meta = Buffer.alloc(META_BYTES);
  const bytes = readSync(file, meta, 0, META_BYTES, offset);
  const sound =
    bytes === META_BYTES &&
    meta.readUInt16LE(PAGE_FLAGS) === META_PAGE &&
    meta.readUInt32LE(META_MAGIC) === MAGIC &&
    meta.readUInt32LE(META_FORMAT) === FORMAT;
  if (!sound) throw damaged(path);
  return meta;
}

function assertRoot(file: number, root: bigint, pageSize: number, path: string): void {
  const { size } = fstatSync(file);
  if ((root + 1n) * BigInt(pageSize) > BigInt(size)) throw damaged(path);
  const head = Buffer.alloc(META_MAGIC);
  readSync(file, head, 0, head.length, Number(root) * pageSize);
  const isTree = (head.readUInt16LE(PAGE_FLAGS) & TREE_PAGE) !== 0;
  if (head.readBigUInt64LE(0) !== root || !isTree) throw damaged(path);
}

function damaged(path: string): NeonError {
  return damagedIndex("a page is not as LMDB writes it", path);
}
