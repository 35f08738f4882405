import type { FrameHeader } from "../../gen/neon/pageserver/v1/frame_pb.js";
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

/** Whether two heads are one. The digest names the frame, and with it its number; the LSN how much of it counts. */
export function sameHead(a: Head, b: Head): boolean {
  return a.lsn === b.lsn && a.digest.equals(b.digest) && a.seq === b.seq;
}

/**
 * Whether a head or a fork can stand at `lsn` of a frame: after its start and up to its end. A frame that completes no WAL
 * record starts where it ends; there both stand at its end.
 */
export function standsIn({ startLsn, endLsn }: Pick<FrameHeader, "startLsn" | "endLsn">, lsn: Lsn): boolean {
  return (lsn > startLsn && lsn <= endLsn) || lsn === endLsn;
}
