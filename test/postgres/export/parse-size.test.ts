import test from "ava";
import { parseSize } from "../../../src/postgres/export/parse-size.js";

test("a size is read as Postgres reads it", (t) => {
  const kB = 1024;
  const sizes: [string, number, number][] = [
    ["16384", 8 * kB, 128 * kB * kB],
    ["128MB", 8 * kB, 128 * kB * kB],
    [" 1.5 GB ", kB, 1.5 * kB ** 3],
    ["0x10", kB, 16 * kB],
    ["1e3kB", 1, 1000 * kB],
    ["2TB", 1, 2 * kB ** 4],
    ["10B", kB, 10],
    ["-1", kB, 0],
  ];
  for (const [text, unit, bytes] of sizes) t.is(parseSize(text, unit), bytes, text);
});

test("what is no size is too large for everything", (t) => {
  for (const text of ["", "much", "1PB", "1mb", "12 MB more"])
    t.is(parseSize(text, 1), Number.POSITIVE_INFINITY, text);
});
