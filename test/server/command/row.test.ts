import { create, type DescMessage } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import test from "ava";
import fc from "fast-check";
import { formatArray, parseArray } from "../../../src/server/command/array-literal.js";
import { describeRow, formatRow, readRow } from "../../../src/server/command/row.js";
import { textType } from "../../../src/server/command/text-type.js";
import { type SampleField, sampleResponse, scalarMethod } from "../../support/sample-service.js";

// OIDs and their arrays from pg_type.
const TYPES: [field: SampleField, oid: number, arrayOid: number, value: unknown, text: string][] = [
  ["text", 25, 1009, "it's", "it's"],
  ["flag", 16, 1000, true, "t"],
  ["raw", 17, 1001, new Uint8Array([0, 255]), "\\x00ff"],
  ["small", 23, 1007, -1, "-1"],
  ["zigzag", 23, 1007, -1, "-1"],
  ["fixed_small", 23, 1007, -1, "-1"],
  ["count", 20, 1016, 4294967295, "4294967295"],
  ["fixed_count", 20, 1016, 1, "1"],
  ["big", 20, 1016, -1n, "-1"],
  ["big_zigzag", 20, 1016, -1n, "-1"],
  ["fixed_big", 20, 1016, -1n, "-1"],
  ["total", 1700, 1231, 18446744073709551615n, "18446744073709551615"],
  ["fixed_total", 1700, 1231, 1n, "1"],
  ["ratio", 701, 1022, 0.1, "0.1"],
  ["short_ratio", 700, 1021, 0.5, "0.5"],
  ["position", 3220, 3221, 0x16b374d848n, "16/B374D848"],
  ["mood", 25, 1009, 2, "very_bad"],
];

for (const [field, oid, arrayOid, value, text] of TYPES) {
  test(`a column of type ${field} has OID ${oid} and reads ${text}`, (t) => {
    const message = scalarMethod(field).input;
    t.deepEqual(describeRow(message), [
      { name: "value", dataTypeID: oid },
      { name: "many", dataTypeID: arrayOid },
    ]);
    const row = formatRow(message, { value, many: [value, value] } as never);
    t.is(row[0], text);
    t.deepEqual(parseArray(row[1] ?? ""), [text, text]);
    const read = readRow(message, describeRow(message), row) as unknown as {
      value: unknown;
      many: unknown[];
    };
    t.deepEqual(read.value, value);
    t.deepEqual(read.many, [value, value]);
  });
}

const FULL = {
  id: 5n,
  name: "main",
  inner: { position: 16n, note: "deep" },
  at: timestampFromDate(new Date("2026-01-31T12:00:00.250Z")),
  note: "",
  notes: ["a b", 'c"d', "", "NULL", "e,f\\"],
  mood: 1,
};

test("columns stand in the order of field numbers, submessages flattened", (t) => {
  t.deepEqual(describeRow(sampleResponse()), [
    { name: "id", dataTypeID: 1700 },
    { name: "name", dataTypeID: 25 },
    { name: "inner_position", dataTypeID: 3220 },
    { name: "inner_note", dataTypeID: 25 },
    { name: "at", dataTypeID: 1184 },
    { name: "note", dataTypeID: 25 },
    { name: "notes", dataTypeID: 1009 },
    { name: "mood", dataTypeID: 25 },
  ]);
  t.deepEqual(formatRow(sampleResponse(), FULL as never), [
    "5",
    "main",
    "0/10",
    "deep",
    "2026-01-31 12:00:00.25+00",
    "",
    '{"a b","c\\"d","","NULL","e,f\\\\"}',
    "good",
  ]);
});

test("what is unset is NULL, what has no presence is its zero", (t) => {
  t.deepEqual(formatRow(sampleResponse(), {}), ["0", "", null, null, null, null, "{}", null]);
  t.deepEqual(formatRow(sampleResponse(), { inner: {} } as never).slice(2, 4), ["0/0", null]);
});

test("a row is read back into its message", (t) => {
  const message = sampleResponse();
  for (const value of [create(message, FULL as never), create(message)]) {
    t.deepEqual(readRow(message, describeRow(message), formatRow(message, value)), value);
  }
});

test("columns are found by name, unknown ones are passed over and missing ones stay unset", (t) => {
  const fields = [
    { name: "later", dataTypeID: 25 },
    { name: "name", dataTypeID: 25 },
  ];
  t.deepEqual(
    readRow(sampleResponse(), fields, ["x", "main"]),
    create(sampleResponse(), { name: "main" } as never),
  );
});

test("a column that cannot be read is a protocol violation", (t) => {
  for (const [name, text] of [
    ["id", "x"],
    ["at", "today"],
    ["notes", "a"],
  ] as const) {
    t.throws(() => readRow(sampleResponse(), [{ name, dataTypeID: 25 }], [text]), {
      code: "protocol_violation",
    });
  }
});

test("an enum value of a later version is shown as its number and read back", (t) => {
  const message = sampleResponse();
  const row = formatRow(message, { mood: 9 } as never);
  t.is(row.at(-1), "9");
  t.is((readRow(message, describeRow(message), row) as unknown as { mood: number }).mood, 9);
});

test("array literals are read back, whatever the elements are", (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" })), (elements) => {
      t.deepEqual(parseArray(formatArray(elements)), elements);
    }),
  );
});

test("a submessage has no text form of its own", (t) => {
  const inner = (sampleResponse() as DescMessage).fields.find((field) => field.name === "inner");
  t.is(inner && textType(inner), undefined);
});
