import test from "ava";
import { atMost, formatTable, median, timesAsFast } from "../../scripts/bench/report.js";

test("a median is the middle value, or the mean of the two in the middle", (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 3]), 2.5);
  t.is(median([7]), 7);
});

test("a case meets its goal up to the limit and misses it beyond", (t) => {
  t.true(atMost("import", "s", 12, 10, 1.2).met);
  t.false(atMost("import", "s", 13, 10, 1.2).met);
  t.true(timesAsFast("push", 4, 10, 2.5).met);
  t.false(timesAsFast("push", 5, 10, 2.5).met);
  t.is(timesAsFast("push", 5, 10).met, undefined);
});

test("the table says ratio and goal of every case", (t) => {
  const table = formatTable([atMost("import", "s", 1.5, 1, 1.2), timesAsFast("push", 0.5, 2)]);
  t.deepEqual(table.split("\n"), [
    "case      ours    peer  ratio  goal",
    "import  1.50 s  1.00 s   1.50  <= 1.2 MISSED",
    "push    0.50 s  2.00 s   4.00",
  ]);
});
