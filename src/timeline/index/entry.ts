import { hash } from "node:crypto";

/** Bytes of the digest in front of each value: half a SHA-256. */
export const ENTRY_DIGEST_BYTES = 16;

const ZERO = Buffer.of(0);

/** A value as the index stores it: behind the digest of its table's name, its key and itself. */
export function sealEntry(table: string, key: Uint8Array, value: Uint8Array): Buffer {
  return Buffer.concat([digestOf(table, key, value), value]);
}

/** The value in a copy of what is stored, or undefined if that is not what was written there under that key. */
export function openEntry(table: string, key: Uint8Array, stored: Buffer): Buffer | undefined {
  const value = stored.subarray(ENTRY_DIGEST_BYTES);
  const digest = stored.subarray(0, ENTRY_DIGEST_BYTES);
  return digest.equals(digestOf(table, key, value)) ? value : undefined;
}

function digestOf(table: string, key: Uint8Array, value: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(key.length);
  const all = Buffer.concat([Buffer.from(table), ZERO, length, key, value]);
  return hash("sha256", all, "buffer").subarray(0, ENTRY_DIGEST_BYTES);
}
