import test from "ava";
import { formatConfLine, parseConfLine } from "../../../src/postgres/export/conf-line.js";

const LINES: [string, string, string][] = [
  ["port = 5432", "port", "5432"],
  ["  Port\t5432 # comment", "port", "5432"],
  ["port=5432", "port", "5432"],
  ["archive_command = 'cp %p ''/a b''/%f'  # no", "archive_command", "cp %p '/a b'/%f"],
  ["a'x'", "a", "x"],
  ["a = 'it\\'s\\n\\101'", "a", "it's\nA"],
  ["include 'other.conf'", "include", "other.conf"],
  ["custom.name = on\r", "custom.name", "on"],
  ["data_directory '/x#y'", "data_directory", "/x#y"],
];

for (const [line, name, value] of LINES) {
  test(`the line ${JSON.stringify(line)} sets ${name}`, (t) => {
    t.deepEqual(parseConfLine(line), { name, value });
  });
}

test("comments and empty lines set nothing", (t) => {
  for (const line of ["", "  ", "# port = 1", "\t#x"]) t.is(parseConfLine(line), undefined);
});

test("what is written is read back", (t) => {
  for (const value of ["", "a 'b' \\c", "1GB", "#"]) {
    t.deepEqual(parseConfLine(formatConfLine({ name: "x", value })), { name: "x", value });
  }
});
