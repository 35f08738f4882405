import { BLOCK_SIZE } from "../../limits.js";

const SUMS = 32;
const WORDS = BLOCK_SIZE / 4;
const FNV_PRIME = 16777619;
const CHECKSUM_OFFSET = 8;

// Where the 32 interleaved sums start (Postgres source: checksum_impl.h, checksumBaseOffsets).
// biome-ignore format: a table of 4 columns, as in checksum_impl.h
const BASE_OFFSETS = Int32Array.of(
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
  0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
  0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
  0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
);

const pageBytes = new Uint8Array(BLOCK_SIZE);
const pageWords = new Int32Array(pageBytes.buffer);

/**
 * Calculates the checksum that Postgres stores in a page's header (pd_checksum), with data checksums enabled.
 *
 * `page` is one page of 8192 bytes; it is only read, and the checksum field in it does not count. `block` is the block
 * number within the whole fork, not within its 1 GB file. An all-zero page has no checksum: do not ask for one.
 */
export function pageChecksum(page: Uint8Array, block: number): number {
  pageBytes.set(page);
  pageBytes[CHECKSUM_OFFSET] = 0;
  pageBytes[CHECKSUM_OFFSET + 1] = 0;
  let folded = 0;
  for (let lane = 0; lane < SUMS; lane++) {
    let sum = BASE_OFFSETS[lane];
    for (let word = lane; word < WORDS; word += SUMS) sum = mix(sum, pageWords[word]);
    folded ^= mix(mix(sum, 0), 0);
  }
  // 0 means that a page has no checksum, hence 1 to 65535.
  return (((folded ^ block) >>> 0) % 65535) + 1;
}

function mix(sum: number, word: number): number {
  const mixed = sum ^ word;
  return Math.imul(mixed, FNV_PRIME) ^ (mixed >>> 17);
}
