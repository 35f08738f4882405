import test from "ava";
import { parseRecord } from "../../../src/postgres/wal/parse-record.js";
import { WalRecord } from "../../../src/postgres/wal/wal-record.js";

function record(majorVersion: number, ...body: (number | Buffer)[]): WalRecord {
  const parts = body.map((part) => (typeof part === "number" ? Buffer.from([part]) : part));
  return new WalRecord(0x10000n, 0x20000n, majorVersion, Buffer.concat([Buffer.alloc(24), ...parts]));
}

const u16 = (value: number) => Buffer.from([value & 255, value >> 8]);
const u32 = (...values: number[]) =>
  Buffer.concat(values.map((value) => Buffer.from(new Uint32Array([value]).buffer)));
const image = (info: number, ...hole: Buffer[]) => [u16(3), u16(100), info, ...hole];

test("block references, their relations and the main data are found", (t) => {
  const data = Buffer.from("main");
  const { blocks, mainData } = parseRecord(
    record(
      15,
      ...[0, 0x20, u16(2), u32(1663, 5, 16384, 7)],
      ...[1, 0x80 | 0x40 | 0x01, u16(0), u32(8)],
      ...[253, u16(9), 252, u32(77)],
      ...[255, 4, Buffer.from("ab"), data],
    ),
  );
  const relation = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384, image: "none" };
  t.deepEqual(blocks, [
    { ...relation, forkNumber: 0, block: 7, initializes: false },
    { ...relation, forkNumber: 1, block: 8, initializes: true },
  ] as typeof blocks);
  t.deepEqual(mainData, data);
});

test("main data of more than 255 bytes and none at all are read", (t) => {
  const data = Buffer.alloc(300, 1);
  t.deepEqual(parseRecord(record(15, 254, u32(300), data)).mainData, data);
  t.is(parseRecord(record(15)).mainData.length, 0);
});

test("the flags of an image mean what the version says", (t) => {
  const read = (major: number, info: number, ...hole: Buffer[]) =>
    parseRecord(
      record(major, 0, 0x10, u16(0), ...image(info, ...hole), u32(1663, 5, 9, 1), Buffer.alloc(3)),
    ).blocks.map(({ image: kind, block }) => `${kind} ${block}`);
  const hole = u16(40);
  t.deepEqual(read(14, 0x01 | 0x02 | 0x04, hole), ["apply 1"], "14: compressed, with a hole, to be restored");
  t.deepEqual(read(14, 0x01 | 0x02, hole), ["check 1"], "14: compressed, with a hole, for a check");
  t.deepEqual(read(14, 0x04), ["apply 1"]);
  t.deepEqual(
    read(15, 0x01 | 0x02),
    ["apply 1"],
    "15: a hole that is not compressed has no length of its own",
  );
  for (const compression of [0x04, 0x08, 0x10])
    t.deepEqual(read(18, 0x01 | 0x02 | compression, hole), ["apply 1"]);
  t.deepEqual(read(18, 0x04), ["check 1"]);
});

test("a record whose parts do not add up is damage", (t) => {
  const cases: [string, WalRecord][] = [
    ["unknown part", record(15, 200, 0)],
    ["header cut short", record(15, 0, 0x20)],
    ["a first block without its relation", record(15, 0, 0x80, u16(0), u32(1))],
    ["data of a block that has none", record(15, 0, 0x00, u16(2), u32(1663, 5, 9, 1), Buffer.alloc(2))],
    ["no data of a block that has some", record(15, 0, 0x20, u16(0), u32(1663, 5, 9, 1))],
    [
      "an image longer than a page",
      record(15, 0, 0x10, u16(0), u16(8193), u16(0), 2, u32(1, 2, 3, 4), Buffer.alloc(8193)),
    ],
    ["more main data than there are", record(15, 255, 9, Buffer.alloc(8))],
    ["less main data than there are", record(15, 255, 7, Buffer.alloc(8))],
  ];
  for (const [what, damaged] of cases) {
    t.throws(() => parseRecord(damaged), { code: "data_corrupted", message: /0\/10000/ }, what);
  }
});
