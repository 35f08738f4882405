import type { Lsn } from "../../lsn.js";
import type { StoredWal } from "../import/stored-wal.js";
import { WalReader } from "../wal/wal-reader.js";

/**
 * Where the last WAL record of a branch ends that ends at `lsn` or before it; undefined if none does in the WAL that the
 * branch holds. Throws XX001 for damage before it.
 */
export async function lastRecordEnd(stored: StoredWal, lsn: Lsn): Promise<Lsn | undefined> {
  const { walStartLsn, walSegmentSize } = stored.branch.start;
  const size = BigInt(walSegmentSize);
  // A record can be longer than a segment.
  for (let startLsn = lsn - 1n - ((lsn - 1n) % size); startLsn >= walStartLsn; startLsn -= size) {
    const reader = new WalReader({ startLsn, walSegmentSize });
    for await (const { data } of stored.pieces(startLsn)) {
      const missing = Number(lsn - reader.position);
      reader.push(data.subarray(0, missing));
      if (data.length >= missing) break;
    }
    if (reader.endLsn > startLsn) return reader.endLsn;
  }
  return undefined;
}
