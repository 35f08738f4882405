import { create, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import {
  type RecordBatch,
  RecordBatchSchema,
  RecordSchema,
} from "../../../gen/neon/pageserver/v1/record_pb.js";
import { encodeRecordBatch, type RecordInit } from "../../../src/timeline/frame/record-batch.js";
import { samples } from "../../schema/sample.js";

const big = Buffer.alloc(300_000, "x");
const inits: RecordInit[] = [
  ...(samples(RecordSchema) as RecordBatch["records"]),
  { record: { case: "wal", value: { postgresTimelineId: 1, startLsn: 0x1000000n, data: big } } },
  {
    record: { case: "filePiece", value: { path: Buffer.from("empty"), offset: 0n, data: new Uint8Array() } },
  },
  { record: { case: "filePiece", value: { path: Buffer.from("big"), offset: 1n, data: big } } },
  { record: { case: "pageImages", value: { blocks: [], pages: new Uint8Array() } } },
  { record: { case: "pageImages", value: { relation: {}, blocks: [0, 1, 1 << 20], pages: big } } },
];

for (const [i, init] of inits.entries()) {
  test(`record ${i}, ${init.record?.case}, is serialized byte for byte as protobuf-es does`, (t) => {
    const expected = toBinary(RecordBatchSchema, create(RecordBatchSchema, { records: [init] }));
    t.deepEqual(encodeRecordBatch([init], Buffer.alloc), Buffer.from(expected));
  });
}

test("a batch of all records is serialized byte for byte as protobuf-es does", (t) => {
  const expected = toBinary(RecordBatchSchema, create(RecordBatchSchema, { records: inits }));
  t.deepEqual(encodeRecordBatch(inits, Buffer.alloc), Buffer.from(expected));
});
