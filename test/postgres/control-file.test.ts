import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { createPostgres, POSTGRES_MAJORS } from "../../scripts/support/postgres.js";
import { NeonError } from "../../src/errors.js";
import { formatLsn } from "../../src/lsn.js";
import { parsePgControl } from "../../src/postgres/control-file.js";

const VIEWS = `
  select s.system_identifier, s.pg_control_version, s.catalog_version_no,
         c.checkpoint_lsn, c.redo_lsn, c.timeline_id,
         i.database_block_size, i.blocks_per_segment, i.wal_block_size, i.bytes_per_wal_segment, i.data_page_checksum_version
  from pg_control_system() s, pg_control_checkpoint() c, pg_control_init() i`;

for (const major of POSTGRES_MAJORS) {
  test.serial(`pg_control of Postgres ${major} says what the server says`, async (t) => {
    const settings = { max_connections: "31", max_prepared_transactions: "5", track_commit_timestamp: "on" };
    const more = { max_worker_processes: "12", max_wal_senders: "6", max_locks_per_transaction: "99" };
    const initdb = ["--wal-segsize=4", major === 18 ? "--no-data-checksums" : "--data-checksums"];
    const postgres = await createPostgres({
      major,
      initdb,
      settings: { ...settings, ...more, fsync: "off" },
    });
    t.teardown(postgres.remove);
    const [views] = await postgres.query(VIEWS);
    const file = readFileSync(join(postgres.dataDir, "global", "pg_control"));
    const control = parsePgControl(file);
    const ours = [
      control.systemIdentifier,
      control.pgControlVersion,
      control.catalogVersion,
      formatLsn(control.checkpointLsn),
      formatLsn(control.redo),
      control.timelineId,
      control.blockSize,
      control.relationSegmentBlocks,
      control.walBlockSize,
      control.walSegmentSize,
      control.dataChecksumVersion,
    ];
    t.deepEqual(ours.map(String), views);
    t.like(control, {
      state: "in production",
      walSegmentSize: 4 * 1024 * 1024,
      walLevel: 1,
      maxConnections: 31,
      maxPreparedXacts: 5,
      maxWorkerProcesses: 12,
      maxWalSenders: 6,
      maxLocksPerXact: 99,
      trackCommitTimestamp: true,
      minRecoveryPoint: 0n,
    });
    await postgres.stop();
    t.is(parsePgControl(readFileSync(join(postgres.dataDir, "global", "pg_control"))).state, "shut down");

    const tool = findTool("pg_controldata");
    if (major === 15 && tool !== undefined) {
      const { stdout } = spawnSync(tool, [postgres.dataDir], { encoding: "utf8", env: { LC_ALL: "C" } });
      t.regex(stdout, new RegExp(`max_prepared_xacts setting: +${control.maxPreparedXacts}\n`));
    }

    for (const [what, bytes] of Object.entries({ empty: Buffer.alloc(0), short: file.subarray(0, 200) })) {
      t.is(t.throws(() => parsePgControl(bytes), { instanceOf: NeonError })?.code, "data_corrupted", what);
    }
    const damaged = Buffer.from(file);
    damaged[100] ^= 1;
    t.regex(t.throws(() => parsePgControl(damaged), { instanceOf: NeonError })?.message ?? "", /checksum/);
    const unknown = Buffer.from(file);
    unknown.writeUInt32LE(1900, 8);
    t.is(t.throws(() => parsePgControl(unknown), { instanceOf: NeonError })?.code, "feature_not_supported");
    unknown.writeUInt32BE(1300, 8);
    t.regex(t.throws(() => parsePgControl(unknown), { instanceOf: NeonError })?.message ?? "", /big-endian/);
  });
}
