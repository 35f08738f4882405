import type { Lsn } from "../lsn.js";
import type { Predecessor } from "./frame/successor.js";

/** The end of a branch, as the store keeps it (the schema's Head). */
export interface Head {
  /** End of a complete WAL record. */
  readonly lsn: Lsn;
  /** Digest of the last frame, 32 bytes. */
  readonly digest: Buffer;
  /** Number of the last frame. */
  readonly seq: number;
}

/** The head that stands at the end of `frame`. */
export function headOf(frame: Predecessor): Head {
  return { lsn: frame.header.endLsn, digest: frame.digest, seq: Number(frame.header.seq) };
}

/** Whether two heads are one. The digest names the frame, the LSN how much of it counts. */
export function sameHead(a: Head, b: Head): boolean {
  return a.lsn === b.lsn && a.digest.equals(b.digest);
}
