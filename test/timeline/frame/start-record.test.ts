import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { Codec, FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { RecordBatchSchema, StartRecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { encodeFrame, sha256 } from "../../../src/timeline/frame/frame.js";
import { assertStartRecord, readStartRecord } from "../../../src/timeline/frame/start-record.js";

const MiB = 1024 * 1024;

const GOOD = {
  importId: Buffer.alloc(16, 1),
  systemIdentifier: 7n,
  serverVersionNum: 150018,
  postgresTimelineId: 1,
  backupStartLsn: 0x3000028n,
  walStartLsn: 0x3000000n,
  blockSize: 8192,
  walSegmentSize: 16 * MiB,
};

test("what an import writes can be the start of a chain, at every size of WAL segments that Postgres has", (t) => {
  for (let walSegmentSize = MiB; walSegmentSize <= 1024 * MiB; walSegmentSize *= 2) {
    const walStartLsn = 0x9_0000_0000n;
    const start = { ...GOOD, walSegmentSize, walStartLsn, backupStartLsn: walStartLsn + 0x28n };
    t.notThrows(() => assertStartRecord(create(StartRecordSchema, start)), `${walSegmentSize}`);
  }
});

const BAD: Record<string, MessageInitShape<typeof StartRecordSchema>> = {
  "an import id of 3 bytes": { importId: Buffer.alloc(3) },
  "no import id": { importId: new Uint8Array() },
  "pages of 4096 bytes": { blockSize: 4096 },
  "pages of no bytes": { blockSize: 0 },
  "pages of 2 GiB": { blockSize: 2 ** 31 },
  "WAL segments of no bytes": { walSegmentSize: 0 },
  "WAL segments of 12345678 bytes": { walSegmentSize: 12345678 },
  "WAL segments of 512 KiB": { walSegmentSize: MiB / 2 },
  "WAL segments of 2 GiB": { walSegmentSize: 2 ** 31 },
  "WAL segments of 4 GiB less one": { walSegmentSize: 2 ** 32 - 1 },
  "WAL from within a segment": { walStartLsn: 0x3000007n },
  "WAL from the segment before": { walStartLsn: 0x2000000n },
  "WAL from after the backup's start": { walStartLsn: 0x4000000n },
  "no server version": { serverVersionNum: 0 },
  "a server version of ten digits": { serverVersionNum: 2 ** 32 - 1 },
  "a Postgres timeline id of 0": { postgresTimelineId: 0 },
};
for (const [name, change] of Object.entries(BAD)) {
  test(`${name} cannot be the start of a chain`, (t) => {
    const start = create(StartRecordSchema, { ...GOOD, ...change });
    t.throws(() => assertStartRecord(start), { code: "data_corrupted" });
  });
}

function firstFrame(payload: Buffer) {
  const storedLength = payload.length;
  return encodeFrame(
    {
      kind: FrameKind.START,
      codec: Codec.NONE,
      storedLength,
      contentLength: storedLength,
      payloadSha256: sha256(payload),
    },
    payload,
  );
}

test("a first frame that holds more than a start record has room is not decoded", (t) => {
  const records = [{ record: { case: "start", value: create(StartRecordSchema, GOOD) } }] as const;
  const good = Buffer.from(toBinary(RecordBatchSchema, create(RecordBatchSchema, { records: [...records] })));
  t.like(readStartRecord(firstFrame(good)), { serverVersionNum: 150018 });
  // An empty record takes two bytes, an empty tablespace too: a few hundred bytes of memory each.
  const long = Buffer.concat([good, Buffer.alloc(3 * MiB - good.length).fill(Buffer.of(0x0a, 0))]);
  t.throws(() => readStartRecord(firstFrame(long)), {
    code: "program_limit_exceeded",
    message: /limit is 262144/,
  });
  const many = long.subarray(0, 200_000);
  t.throws(() => readStartRecord(firstFrame(many)), {
    code: "program_limit_exceeded",
    message: /65536 fields/,
  });
  const inside = Buffer.alloc(200_000).fill(Buffer.of(0x4a, 0));
  const record = Buffer.concat([Buffer.of(0x0a, 0xc0, 0x9a, 0x0c), inside]);
  const batch = Buffer.concat([Buffer.of(0x0a, 0xc4, 0x9a, 0x0c), record]);
  t.throws(() => readStartRecord(firstFrame(batch)), {
    code: "program_limit_exceeded",
    message: /65536 fields/,
  });
  t.throws(() => readStartRecord(firstFrame(long.subarray(0, good.length + 2))), { code: "data_corrupted" });
});
