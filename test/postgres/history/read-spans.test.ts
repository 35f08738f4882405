import test from "ava";
import { readSpans, type Span } from "../../../src/postgres/history/read-spans.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { temporaryStore } from "../../support/temporary-store.js";
import {
  commitAt,
  damageBaseFrame,
  filler,
  forkWal,
  growBranch,
  importedBranch,
} from "../../support/wal-chain.js";

async function spansOf(store: Store, branch: Branch): Promise<Span[]> {
  const spans: Span[] = [];
  for await (const span of readSpans(store, branch)) spans.push(span);
  return spans;
}

test("a span a session, newest first, the base backup last, and together they are the branch", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  chain.wal.record(commitAt(1_700_000_000_000));
  chain.wal.record(filler(9000));
  chain.wal.record(commitAt(1_700_000_000_123, true));
  let main = await growBranch(store, branch, chain, 1);
  const middle = main.head.lsn;
  main = await growBranch(store, main, chain, 2);
  chain.wal.record(commitAt(1_700_000_001_000));
  main = await growBranch(store, main, chain, 1);
  const spans = await spansOf(store, main);
  t.deepEqual(
    spans.map(({ kind, frames, commits }) => [kind, frames, commits.count]),
    [
      ["wal", 1, 1],
      ["wal", 2, 0],
      ["wal", 1, 2],
      ["base backup", 4, 0],
    ],
  );
  t.deepEqual(spans[2].commits, { count: 2, first: 1_700_000_000_000_000n, last: 1_700_000_000_123_000n });
  t.is(
    spans.reduce((sum, { bytes }) => sum + bytes, 0),
    main.bytes,
  );
  t.deepEqual(spans[0].digest, main.head.digest);
  t.deepEqual(
    spans.map(({ endLsn }) => endLsn),
    [main.head.lsn, ...spans.slice(0, 3).map(({ startLsn }) => startLsn)],
  );
  t.is(spans[3].startLsn, chain.wal.startLsn);

  // A fork counts what is before it, and its own.
  const reader = store.reader(main);
  const seq = (await reader.find(middle)) as number;
  const dev = await store.forkBranch("dev", main, { seq, lsn: middle, digest: await reader.digest(seq) });
  const own = forkWal(chain, middle);
  own.wal.record(commitAt(1_800_000_000_000));
  const grown = await growBranch(store, dev, own, 1);
  t.deepEqual(
    (await spansOf(store, grown)).map(({ commits }) => commits.count),
    [1, 2, 0],
  );
});

test("the history is read without a look at the page images", async (t) => {
  const { store, path, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  chain.wal.record(commitAt(1_700_000_000_000));
  const main = await growBranch(store, branch, chain, 1);
  await damageBaseFrame(store, path, branch);
  t.deepEqual(
    (await spansOf(store, main)).map(({ kind, commits }) => [kind, commits.count]),
    [
      ["wal", 1],
      ["base backup", 0],
    ],
  );
});
