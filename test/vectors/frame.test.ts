import { readFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { Codec, FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { type Record, RecordBatchSchema, RelationForkName } from "../../gen/neon/pageserver/v1/record_pb.js";
import { decodeRecords } from "../../src/timeline/frame/decode-records.js";
import { decodeFrame, encodeFrame, type Frame, sha256 } from "../../src/timeline/frame/frame.js";
import { assertSuccessor } from "../../src/timeline/frame/successor.js";

/** Golden bytes: CopyData messages in hex, one a file. They never change within a protocol version. */
function golden(name: string): Buffer {
  const url = new URL(`../../../test/vectors/${name}.hex`, import.meta.url);
  return Buffer.from(readFileSync(url, "utf8").replace(/\s/g, ""), "hex");
}

const LSN = 0x1000000n;
const page = Buffer.alloc(8192, "page");

const start = frame(undefined, FrameKind.START, LSN, {
  case: "start",
  value: {
    importId: Buffer.alloc(16, 0xab),
    systemIdentifier: 7123456789012345678n,
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: LSN + 0x28n,
    walStartLsn: LSN,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
    tablespaces: [{ oid: 16384, location: "/srv/fast" }],
    startedAt: { seconds: 1_750_000_000n, nanos: 0 },
  },
});
const relation = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16385, fork: RelationForkName.MAIN };
const base = frame(start, FrameKind.BASE, LSN, {
  case: "pageImages",
  value: { relation, blocks: [131072], pages: page },
});
const wal = frame(base, FrameKind.WAL, LSN + 0x30n, {
  case: "wal",
  value: { postgresTimelineId: 1, startLsn: LSN, data: Buffer.alloc(0x30, "w") },
});

// biome-ignore lint/suspicious/noExplicitAny: a record's init shape is checked by create
function frame(previous: Frame | undefined, kind: FrameKind, endLsn: bigint, record: any): Frame {
  const payload = Buffer.from(
    toBinary(RecordBatchSchema, create(RecordBatchSchema, { records: [{ record }] })),
  );
  const facts = { kind, startLsn: LSN, endLsn, codec: Codec.NONE, payloadSha256: sha256(payload) };
  const lengths = { storedLength: payload.length, contentLength: payload.length };
  const place = previous ? { seq: previous.header.seq + 1n, previousDigest: previous.digest } : { seq: 0n };
  return encodeFrame({ ...facts, ...lengths, ...place }, payload);
}

for (const [name, made] of Object.entries({ "frame-start": start, "frame-base": base, "frame-wal": wal })) {
  test(`${name} is written byte for byte as ever`, (t) => {
    t.is(Buffer.concat(made.parts).toString("hex"), golden(name).toString("hex"));
  });

  test(`${name} is read as ever`, (t) => {
    t.deepEqual(decodeFrame(golden(name)).digest, made.digest);
  });
}

test("a golden frame compressed with LZ4 is still decompressed", (t) => {
  const frame = decodeFrame(golden("frame-base-lz4"));
  assertSuccessor(start, frame);
  const { records } = decodeRecords(frame);
  const record: Record["record"] = records[0].record;
  t.is(record.case, "pageImages");
  t.deepEqual(Buffer.from((record.value as { pages: Uint8Array }).pages), page);
});

test("the golden frames are one chain", (t) => {
  t.notThrows(() => assertSuccessor(undefined, decodeFrame(golden("frame-start"))));
  t.notThrows(() => assertSuccessor(decodeFrame(golden("frame-start")), decodeFrame(golden("frame-base"))));
  t.notThrows(() => assertSuccessor(decodeFrame(golden("frame-base")), decodeFrame(golden("frame-wal"))));
});
