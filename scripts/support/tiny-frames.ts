import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Codec, FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { RecordBatchSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { encodeFrame, type Frame, sha256 } from "../../src/timeline/frame/frame.js";
import type { Branch, Store } from "../../src/timeline/store.js";

const BEGIN = 0x1000000n;

/** `count` frames of a few bytes behind `previous`, or a new chain. What they hold is no WAL. */
export function makeTinyFrames(count: number, previous?: Frame): Frame[] {
  const frames: Frame[] = [];
  let last = previous;
  for (let i = 0; i < count; i++) {
    const lsn = last?.header.endLsn ?? BEGIN;
    const payload = last === undefined ? startPayload() : randomBytes(8);
    last = encodeFrame(
      {
        seq: last === undefined ? 0n : last.header.seq + 1n,
        previousDigest: last?.digest ?? new Uint8Array(),
        kind: last === undefined ? FrameKind.START : FrameKind.WAL,
        startLsn: lsn,
        endLsn: last === undefined ? lsn : lsn + 8n,
        codec: Codec.NONE,
        contentLength: payload.length,
        storedLength: payload.length,
        payloadSha256: sha256(payload),
      },
      payload,
    );
    frames.push(last);
  }
  return frames;
}

function startPayload(): Buffer {
  const value = { importId: randomBytes(16), systemIdentifier: 7n, walStartLsn: BEGIN };
  const batch = create(RecordBatchSchema, { records: [{ record: { case: "start", value } }] });
  return Buffer.from(toBinary(RecordBatchSchema, batch));
}

/** Keeps a whole chain of them as a branch. */
export async function storeFrames(store: Store, name: string, frames: readonly Frame[]): Promise<Branch> {
  const appender = store.appendFrames();
  for (const frame of frames) await appender.append(frame);
  return store.createBranch(name, appender);
}
