import { join } from "node:path";
import test from "ava";
import { startPostgres } from "../../scripts/support/postgres.js";
import { parseLsn } from "../../src/lsn.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { WalReader } from "../../src/postgres/wal/wal-reader.js";
import { KEEP_WAL, walOf } from "../postgres/wal/real-wal.js";
import { appendWal } from "./support/append-wal.js";
import { editBranch } from "./support/edit-branch.js";
import { sourceBranch } from "./support/source-branch.js";

const SEGMENT = 1024 * 1024;

test("recovery ends exactly at the head, inside a segment and at a segment's end", async (t) => {
  const source = await sourceBranch({ major: 15, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
  t.teardown(source.remove);
  const { postgres, branch, repository } = source;
  const flushed = async () => {
    await postgres.query("select pg_switch_wal()");
    await postgres.query("checkpoint");
    return parseLsn((await postgres.query("select pg_current_wal_flush_lsn()"))[0]?.[0] as string);
  };
  await postgres.query("insert into t values (-1, 'first')");
  await postgres.query("insert into t select -1000 - i, md5(i::text) from generate_series(1, 20000) i");
  await flushed();
  await postgres.query("insert into t values (-2, 'second')");
  const wal = walOf(postgres.dataDir, SEGMENT, await flushed());
  const commits: bigint[] = [];
  const switches: bigint[] = [];
  const reader = new WalReader({
    startLsn: wal.startLsn,
    walSegmentSize: SEGMENT,
    onRecord: ({ rmid, info, endLsn }) => {
      if (endLsn <= branch.head.lsn) return;
      if (rmid === 1 && (info & 0x70) === 0) commits.push(endLsn);
      if (rmid === 0 && (info & 0xf0) === 0x40) switches.push(endLsn);
    },
  });
  reader.push(wal.bytes);
  // The import's own base backup ended with a switch too.
  const switched = switches.find((lsn) => lsn > (commits[1] as bigint)) as bigint;
  const heads = {
    "after the first commit": { lsn: commits[0] as bigint, rows: [["1001", "-1"]] },
    "at the end of the switched segment": { lsn: switched, rows: [["21001", "-21000"]] },
    "after the last commit": { lsn: commits.at(-1) as bigint, rows: [["21002", "-21000"]] },
  };
  t.is(switched % BigInt(SEGMENT), 0n);
  for (const [where, { lsn, rows }] of Object.entries(heads)) {
    const cut = await editBranch(repository.store, branch, {
      append: (writer) => appendWal(writer, wal, 1, branch.head.lsn, lsn),
    });
    t.is(cut.head.lsn, lsn);
    const directory = join(source.exports, where.replaceAll(" ", "-"));
    await exportBranch({ store: repository.store, branch: cut, directory });
    const there = await startPostgres(directory, 15);
    t.teardown(there.remove);
    t.deepEqual(await there.query("select count(*), min(id) from t"), rows, where);
    await there.query("insert into t values (-3, 'far')");
    await there.restart();
    t.deepEqual(await there.query("select md5 from t where id = -3"), [["far"]], where);
    await there.stop();
  }
});
