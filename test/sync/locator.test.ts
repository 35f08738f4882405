import test from "ava";
import { locatorSeqs } from "../../src/sync/branch-source.js";

test("a locator of a short chain names every frame, newest first", (t) => {
  t.deepEqual(locatorSeqs(0), [0]);
  t.deepEqual(locatorSeqs(5), [5, 4, 3, 2, 1, 0]);
});

test("a locator names the 16 recent frames behind the head and then doubles its distances", (t) => {
  const seqs = locatorSeqs(10_000_000);
  t.deepEqual(
    seqs.slice(0, 17),
    Array.from({ length: 17 }, (_, i) => 10_000_000 - i),
  );
  t.is(seqs[seqs.length - 1], 0);
  t.true(seqs.length < 50, `${seqs.length}`);
  for (let i = 1; i < seqs.length; i++) t.true(seqs[i] < seqs[i - 1]);
  const far = seqs.filter((seq) => seq > 0 && seq < 10_000_000 - 1000);
  t.true(far.every((seq) => seq % 64 === 0));
});
