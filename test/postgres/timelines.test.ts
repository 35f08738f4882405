import test from "ava";
import { forkPoint, parseTimelines, timelineAt } from "../../src/postgres/timelines.js";

const file = (...lines: string[]) => Buffer.from(`${lines.join("\n")}\n`);

test("a history file lists the timelines before its own, each with its end", (t) => {
  const timelines = parseTimelines(
    4,
    file("1\t0/2000000\tno reason", "", "# a comment", "3\t1/30\tbefore 2026"),
  );
  t.deepEqual(timelines, [
    { id: 1, begin: 0n },
    { id: 3, begin: 0x2000000n },
    { id: 4, begin: 0x100000030n },
  ]);
  t.deepEqual(parseTimelines(1, undefined), [{ id: 1, begin: 0n }]);
});

test("a timeline that was left where it began is dropped", (t) => {
  t.deepEqual(parseTimelines(3, file("1\t0/2000000\t", "2\t0/2000000\t")), [
    { id: 1, begin: 0n },
    { id: 3, begin: 0x2000000n },
  ]);
});

test("a history file that tells nothing, or runs backwards, is damage", (t) => {
  for (const content of [undefined, file(""), file("1 nowhere"), file("1\t0/20\t", "2\t0/10\t")]) {
    t.throws(() => parseTimelines(3, content), { message: /history file of timeline 3/ });
  }
});

test("the byte at a switch point is the new timeline's", (t) => {
  const timelines = parseTimelines(2, file("1\t0/2000000\t"));
  t.is(timelineAt(timelines, 0x1ffffffn).id, 1);
  t.is(timelineAt(timelines, 0x2000000n).id, 2);
});

test("histories part where one switches and the other does not, or to another, or elsewhere", (t) => {
  const one = parseTimelines(1, undefined);
  const two = parseTimelines(2, file("1\t0/20\t"));
  const three = parseTimelines(3, file("1\t0/20\t"));
  const later = parseTimelines(2, file("1\t0/30\t"));
  t.is(forkPoint(two, two), undefined);
  t.is(forkPoint(one, two), 0x20n);
  t.is(forkPoint(two, one), 0x20n);
  t.is(forkPoint(two, three), 0x20n);
  t.is(forkPoint(later, two), 0x20n);
});
