import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { Codec, FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { RecordBatchSchema, StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { SessionMessageSchema } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import { encodeFrame, type Frame, sha256 } from "../../src/timeline/frame/frame.js";
import { neon, temporaryRepository } from "../cli/support/neon.js";
import { eventually, startServer } from "./support/repository.js";

const LSN = 0x1000000n;

const START = create(StartRecordSchema, {
  importId: randomBytes(16),
  systemIdentifier: 7n,
  serverVersionNum: 150018,
  postgresTimelineId: 1,
  backupStartLsn: LSN + 0x28n,
  walStartLsn: LSN,
  blockSize: 8192,
  walSegmentSize: 1 << 24,
});

function frame(payload: Buffer, change: object = {}): Frame {
  return encodeFrame(
    {
      startLsn: LSN,
      endLsn: LSN,
      codec: Codec.NONE,
      storedLength: payload.length,
      contentLength: payload.length,
      payloadSha256: sha256(payload),
      ...change,
    },
    payload,
  );
}

const batch = create(RecordBatchSchema, { records: [{ record: { case: "start", value: START } }] });
const first = frame(Buffer.from(toBinary(RecordBatchSchema, batch)), { kind: FrameKind.START });

/** A second frame that fits, but for what `change` says. */
function second(payload: Buffer, change: object = {}): Buffer {
  const fitting = { seq: 1n, previousDigest: first.digest, endLsn: LSN + 0x100n, kind: FrameKind.WAL };
  return Buffer.concat(frame(payload, { ...fitting, ...change }).parts);
}

function control(message: MessageInitShape<typeof SessionMessageSchema>["message"]): Buffer {
  return Buffer.from(toBinary(SessionMessageSchema, create(SessionMessageSchema, { message })));
}

function copyData(length: number, data: Buffer): Buffer {
  const start = Buffer.from("d....");
  start.writeInt32BE(4 + length, 1);
  return Buffer.concat([start, data]);
}

const WAL = Buffer.alloc(256, 1);
/** LZ4's prefix that says how much comes out, and four kilobytes. */
function bomb(bytes: number): Buffer {
  const payload = Buffer.alloc(4096);
  payload.writeUInt32LE(bytes);
  return payload;
}
function damaged(): Buffer {
  const message = second(WAL);
  message[message.length - 1] ^= 1;
  return message;
}

const CASES: Record<string, [Buffer, sqlstate: RegExp]> = {
  "a frame with a damaged payload": [damaged(), /^XX001$/],
  "a frame that names another predecessor": [second(WAL, { previousDigest: Buffer.alloc(32, 1) }), /^XX001$/],
  "a frame whose prefix claims 4 GiB": [
    second(bomb(0xffffffff), { codec: Codec.LZ4, contentLength: 1 << 20 }),
    /^XX001$/,
  ],
  "a frame whose header claims 4 GiB too": [
    second(bomb(0xffffffff), { codec: Codec.LZ4, contentLength: 0xffffffff }),
    /^54000$/,
  ],
  "a frame of a kind that comes later": [second(WAL, { kind: 4 }), /^0A000$/],
  "a frame without a header": [copyData(4, Buffer.from([0x22, 2, 0x12, 0])), /^08P01$/],
  "a message that says it is 2 GB long": [copyData(0x7fffffff - 4, Buffer.alloc(100)), /^(08P01|54000)$/],
  "a message just above the limit": [copyData(4 * 1024 * 1024 + 1, Buffer.alloc(1000)), /^(08P01|54000)$/],
};

test("whatever a hostile sender sends, the page server refuses it, shows nothing and stays small", async (t) => {
  const directory = await temporaryRepository(t);
  const { pid, port } = await startServer(directory);
  for (const [name, [bytes, sqlstate]] of Object.entries(CASES)) {
    const connection = await connect({ uri: `postgresql://127.0.0.1:${port}/` });
    const session = await connection.copyBoth(`branch_push main ${"00".repeat(16)}`);
    const head = { lsn: LSN + 0x100n, digest: Buffer.alloc(32, 1), seq: 1n };
    const locator = [{ seq: 0n, digest: first.digest, lsn: LSN }];
    await session.write(
      control({
        case: "hello",
        value: { minVersion: 1, maxVersion: 1, codecs: [Codec.NONE, Codec.LZ4], windowBytes: 1n << 20n },
      }),
    );
    await session.write(
      control({ case: "offer", value: { start: START, head, frames: 2n, bytes: 1n << 23n, locator } }),
    );
    await session.write(control({ case: "plan", value: { frames: 2n, bytes: 1n << 23n, endLsn: head.lsn } }));
    await session.writeMessages(Buffer.concat(first.parts));
    await session.writeMessages(bytes);
    const error = await t.throwsAsync<NeonError>(async () => {
      for await (const _ of session.read());
    });
    t.regex(error?.sqlstate ?? "", sqlstate, `${name}: ${error?.message}`);
    connection.destroy();
    const left = () => readdir(join(directory, ".neon", "store", "segments"));
    // What was sound is kept for another attempt, until it is collected.
    const collected = async () => {
      await neon(directory, "gc", "--all", "--no-branches");
      return (await left()).length === 0;
    };
    t.true(await eventually(collected), name);
    t.is((await neon(directory, "branch", "list", "--json")).stdout, "[]\n", name);
  }
  if (process.platform === "linux") {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"));
    t.true(Number(peak?.[1]) < 400_000, `${peak?.[1]} kB`);
  }
});
