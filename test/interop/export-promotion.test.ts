import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { createStandby, startPostgres } from "../../scripts/support/postgres.js";
import { formatLsn } from "../../src/lsn.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { switchPoint } from "../../src/postgres/export/timeline-history.js";
import { WalReader } from "../../src/postgres/wal/wal-reader.js";
import { flushedLsn, KEEP_WAL, walOf } from "../postgres/wal/real-wal.js";
import { verifyBranch } from "../support/verify-branch.js";
import { appendWal } from "./support/append-wal.js";
import { appendRecords, editBranch } from "./support/edit-branch.js";
import { sourceBranch } from "./support/source-branch.js";

const SEGMENT = 16 * 1024 * 1024;

// A standby that finds a history file of timeline 2, of another one's promotion, promotes itself to timeline 3.
for (const next of [2, 3]) {
  test.serial(
    `a branch that goes from timeline 1 to ${next} keeps the rows behind it, and its ancestry`,
    async (t) => {
      const source = await sourceBranch({ major: 15, settings: KEEP_WAL });
      t.teardown(source.remove);
      const standby = await createStandby(source.postgres);
      t.teardown(standby.remove);
      await source.postgres.query("insert into t values (-1, 'before the promotion')");
      const target = await source.postgres.query("select pg_current_wal_flush_lsn()");
      const replayed = async () =>
        (await standby.query(`select pg_last_wal_replay_lsn() >= '${target[0]?.[0]}'`))[0]?.[0] === "t";
      while (!(await replayed())) await new Promise((resolve) => setTimeout(resolve, 20));
      if (next === 3)
        await writeFile(join(standby.dataDir, "pg_wal", "00000002.history"), "1\t0/FF000000\tanother\n");
      await standby.promote();
      await standby.query("insert into t values (-2, 'after the promotion')");
      await standby.query("select pg_logical_emit_message(false, 'x', repeat('y', 100))");
      const end = await flushedLsn(standby);
      const written = await readFile(join(standby.dataDir, "pg_wal", `0000000${next}.history`));
      const promotion = switchPoint(written);
      // Without the other one's promotion, of which the file that was found says nothing true.
      const history = Buffer.from(`1\t${formatLsn(promotion)}\tno recovery target specified\n`);
      const wal = walOf(standby.dataDir, SEGMENT, end);
      const { startLsn } = wal;
      const from = source.branch.head.lsn;
      t.true(startLsn <= from && from < promotion && promotion < end);
      t.not(promotion % BigInt(SEGMENT), 0n, "the switch lies inside a segment");
      const reader = new WalReader({ startLsn, walSegmentSize: SEGMENT });
      reader.push(wal.bytes);

      const { store } = source.repository;
      const crossing = await editBranch(store, source.branch, {
        async append(writer) {
          await appendWal(writer, wal, 1, from, promotion);
          const value = { postgresTimelineId: next, content: history };
          await writer.append(FrameKind.WAL, promotion, promotion, [
            { record: { case: "timelineHistory", value } },
          ]);
          await appendWal(writer, wal, next, promotion, reader.endLsn);
        },
      });
      const directory = join(source.exports, "crossing");
      t.is((await verifyBranch({ store, branch: crossing })).damage, undefined);
      await exportBranch({ store, branch: crossing, directory });
      const number = (promotion / BigInt(SEGMENT)).toString(16).toUpperCase().padStart(8, "0");
      const old = join(directory, "pg_wal", `0000000100000000${number}`);
      t.false(existsSync(old), "the switch's segment goes by the new timeline only");
      const there = await startPostgres(directory, 15);
      t.teardown(there.remove);
      t.deepEqual(await there.query("select id, md5 from t where id < 0 order by 1"), [
        ["-2", "after the promotion"],
        ["-1", "before the promotion"],
      ]);
      await there.query("checkpoint");
      t.deepEqual(await there.query("select timeline_id from pg_control_checkpoint()"), [[String(next + 1)]]);
      const ancestry = await readFile(join(directory, "pg_wal", `0000000${next + 1}.history`), "utf8");
      t.regex(ancestry, new RegExp(`^1\\t.*\\n+${next}\\t`, "m"));
    },
  );
}

test.serial("a history file of a timeline that begins after the head is left out", async (t) => {
  const source = await sourceBranch({ major: 18 });
  t.teardown(source.remove);
  const { store } = source.repository;
  const lsn = source.branch.head.lsn;
  const history = (switchLsn: bigint, postgresTimelineId: number) => {
    const text = `1\t${(switchLsn >> 32n).toString(16)}/${(switchLsn & 0xffffffffn).toString(16)}\tno reason\n`;
    const value = { postgresTimelineId, content: Buffer.from(text) };
    return { record: { case: "timelineHistory" as const, value } };
  };
  const branch = await editBranch(store, source.branch, appendRecords(history(lsn, 2), history(lsn + 8n, 3)));
  const directory = join(source.exports, "data");
  await exportBranch({ store, branch, directory });
  t.true(existsSync(join(directory, "pg_wal", "00000002.history")));
  t.false(existsSync(join(directory, "pg_wal", "00000003.history")));
  const there = await startPostgres(directory, 18);
  t.teardown(there.remove);
  t.deepEqual(await there.query("select count(*) from t"), [["1000"]]);
  await there.query("checkpoint");
  t.deepEqual(await there.query("select timeline_id from pg_control_checkpoint()"), [["3"]]);
});
