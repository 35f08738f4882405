import test from "ava";
import {
  formatBytes,
  formatCount,
  formatFields,
  formatSeconds,
  formatTable,
  formatTimeLeft,
  formatTransfer,
} from "../../src/cli/format.js";

test("bytes have Postgres's units and three digits", (t) => {
  const texts = [0, 1, 999, 1023, 1234, 99_949, 1_048_575, 16_777_216, 12_345_678n, 3e12, 5e18].map(
    formatBytes,
  );
  t.deepEqual(texts, [
    "0 bytes",
    "1 byte",
    "999 bytes",
    "1.00 kB",
    "1.21 kB",
    "97.6 kB",
    "1.00 MB",
    "16.0 MB",
    "11.8 MB",
    "2.73 TB",
    "4441 PB",
  ]);
});

test("seconds become minutes and hours, rounded and never 60 of anything", (t) => {
  t.deepEqual([0, 0.125, 9.94, 9.96, 99.4, 99.6, 119.7, 3599.6, 7_260].map(formatSeconds), [
    "0.00 s",
    "0.13 s",
    "9.94 s",
    "10.0 s",
    "99.4 s",
    "1 min 40 s",
    "2 min 00 s",
    "1 h 00 min",
    "2 h 01 min",
  ]);
});

test("time left is whole seconds, at least one", (t) => {
  t.deepEqual([0.2, 3.4, 99, 125.2].map(formatTimeLeft), ["1 s", "3 s", "99 s", "2 min 05 s"]);
});

test("a transfer has its rate, unless no time passed", (t) => {
  t.is(formatTransfer(12n << 20n, 2), "12.0 MB in 2.00 s (6.00 MB/s)");
  t.is(formatTransfer(12n << 20n, 0), "12.0 MB in 0.00 s");
});

test("one of a thing is not several", (t) => {
  t.deepEqual(
    [0, 1, 2n].map((count) => formatCount(count, "branch", "branches")),
    ["0 branches", "1 branch", "2 branches"],
  );
});

test("columns stand below their titles, without blanks at the end", (t) => {
  t.is(formatTable(["NAME", "SIZE"], [["a-long-name", "1"]]), "NAME         SIZE\na-long-name  1");
  t.is(formatFields({ a: "1", absent: undefined, long: "2" }), "a:      1\nlong:   2");
});

test("columns are straight with wide characters and with accents that are characters of their own", (t) => {
  const table = formatTable(
    ["NAME", "X"],
    [
      ["支店", "1"],
      ["e\u0301", "2"],
      ["\u{1f418}", "3"],
      ["abcd", "4"],
    ],
  );
  t.is(table, "NAME  X\n支店  1\ne\u0301     2\n\u{1f418}    3\nabcd  4");
});
