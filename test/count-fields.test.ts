import { create, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { RecordBatchSchema } from "../gen/neon/pageserver/v1/record_pb.js";
import { OfferSchema } from "../gen/neon/pageserver/v1/session_pb.js";
import { assertFieldCount } from "../src/count-fields.js";

/** The most fields that are refused. */
function fieldsOf(schema: Parameters<typeof assertFieldCount>[0], bytes: Uint8Array): number {
  for (let limit = 0; ; limit++) {
    try {
      assertFieldCount(schema, bytes, limit);
      return limit;
    } catch {
      // one more
    }
  }
}

test("the fields of a message are counted with those of the messages in it, packed numbers as one", (t) => {
  const offer = create(OfferSchema, {
    head: { lsn: 1n, digest: Buffer.alloc(32), seq: 2n }, // 4
    locator: [{ seq: 1n, digest: Buffer.alloc(32), lsn: 3n }, {}], // 5
    frames: 3n, // 1
    start: { importId: Buffer.alloc(16), tablespaces: [{ oid: 1, location: "x" }] }, // 5
  });
  t.is(fieldsOf(OfferSchema, toBinary(OfferSchema, offer)), 15);
  const batch = create(RecordBatchSchema, {
    records: [
      { record: { case: "pageImages", value: { blocks: [1, 2, 3], pages: Buffer.alloc(100_000) } } },
      { record: { case: "directory", value: { path: Buffer.from("x") } } },
    ],
  });
  t.is(fieldsOf(RecordBatchSchema, toBinary(RecordBatchSchema, batch)), 7);
});

test("unknown fields of every kind are counted, and what is malformed is left to the decoder", (t) => {
  const unknown = Buffer.from(
    "a00601a106ffffffffffffffffa506ffffffffa206021234a0 06ffffffffffffffffff01".replaceAll(" ", ""),
    "hex",
  );
  t.is(fieldsOf(OfferSchema, unknown), 5);
  for (const hex of [
    "",
    "ff",
    "0a",
    "0aff",
    "0affffffff0f",
    "12050a",
    "07",
    "1280",
    "ffffffffffffffffffffffffffff",
  ]) {
    t.notThrows(() => assertFieldCount(OfferSchema, Buffer.from(hex, "hex"), 4), hex);
  }
});

test("four megabytes of empty fields are refused without being looked at", (t) => {
  const bytes = Buffer.alloc(4 << 20).fill(Buffer.of(0x1a, 0));
  const begin = performance.now();
  t.throws(() => assertFieldCount(OfferSchema, bytes, 65536), { code: "program_limit_exceeded" });
  t.true(performance.now() - begin < 2000);
});
