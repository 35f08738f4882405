import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { ChainWriter } from "../../../src/timeline/chain-writer.js";
import type { RealWal } from "../../postgres/wal/real-wal.js";

const PIECE_BYTES = 1024 * 1024;

/** Appends frames with a cluster's WAL between two heads, which must be ends of records. */
export async function appendWal(
  writer: ChainWriter,
  wal: RealWal,
  postgresTimelineId: number,
  from: bigint,
  to: bigint,
): Promise<void> {
  const stretch = wal.bytes.subarray(Number(from - wal.startLsn), Number(to - wal.startLsn));
  for (let at = 0; at < stretch.length; at += PIECE_BYTES) {
    const data = stretch.subarray(at, at + PIECE_BYTES);
    const value = { postgresTimelineId, startLsn: from + BigInt(at), data };
    await writer.append(FrameKind.WAL, from, from, [{ record: { case: "wal", value } }]);
  }
  await writer.append(FrameKind.WAL, from, to, []);
}
