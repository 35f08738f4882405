import test from "ava";
import type { NeonError } from "../../../src/errors.js";
import { formatLsn } from "../../../src/lsn.js";
import { findForkPoint } from "../../../src/postgres/history/find-fork-point.js";
import { temporaryStore } from "../../support/temporary-store.js";
import { damageBaseFrame, growBranch, importedBranch } from "../../support/wal-chain.js";

test("of all LSNs of a branch, those where a record ends behind the consistent point are fork points", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  chain.wal.record({ rmid: 10, info: 0, body: Buffer.alloc(9000, 1) });
  chain.wal.record({ rmid: 10, info: 0, body: Buffer.alloc(50, 1) });
  const main = await growBranch(store, branch, chain, 2, 30);
  const ends = new Set(chain.wal.records.map(({ end }) => end).filter((end) => end >= branch.head.lsn));
  const reader = store.reader(main);
  for (let lsn = branch.head.lsn - 300n; lsn <= main.head.lsn + 16n; lsn += lsn % 8192n < 200n ? 4n : 100n) {
    if (!ends.has(lsn) && lsn % 8192n !== 24n) {
      await t.throwsAsync(
        findForkPoint(store, main, lsn),
        { code: "invalid_parameter_value" },
        formatLsn(lsn),
      );
    }
  }
  for (const lsn of ends) {
    const head = await findForkPoint(store, main, lsn);
    t.is(head.lsn, lsn);
    t.deepEqual(head.digest, await reader.digest(head.seq));
    t.true((await reader.lsn(head.seq)) >= lsn && (await reader.lsn(head.seq - 1)) <= lsn);
  }
});

test("each refusal names an LSN that will do", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  const main = await growBranch(store, branch, chain, 3);
  const [before, last] = chain.wal.records.slice(-2);
  for (const [lsn, message, hint] of [
    [last.start + 8n, /lies inside a WAL record$/, before.end],
    [
      chain.wal.records[0].end,
      /"main" is not consistent at .*its base backup was still going on$/,
      branch.head.lsn,
    ],
    [0n, /"main" is not consistent/, branch.head.lsn],
    [main.head.lsn + 8n, /"main" does not reach/, main.head.lsn],
  ] as const) {
    const error = (await t.throwsAsync(findForkPoint(store, main, lsn), { message })) as NeonError;
    t.true(error.hint?.includes(formatLsn(hint)), error.hint);
    t.is((await findForkPoint(store, main, hint)).lsn, hint);
  }
});

test("the end of a segment switch is normalised to the start of the next segment", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  const { start, end } = chain.wal.switchSegment();
  const main = await growBranch(store, branch, chain, 2);
  t.is((await findForkPoint(store, main, start + 24n)).lsn, end);
  t.is((await findForkPoint(store, main, end + 40n)).lsn, end);
});

test("a fork point is found without a look at the page images", async (t) => {
  const { store, path, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  const main = await growBranch(store, branch, chain, 2);
  await damageBaseFrame(store, path, branch);
  t.is((await findForkPoint(store, main, branch.head.lsn)).lsn, branch.head.lsn);
});
