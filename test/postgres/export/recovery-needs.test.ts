import test from "ava";
import type { ControlFile } from "../../../src/postgres/control-file.js";
import { RecoveryNeedsReader } from "../../../src/postgres/export/recovery-needs.js";
import { WalRecord } from "../../../src/postgres/wal/wal-record.js";

const CONTROL = {
  maxConnections: 100,
  maxWorkerProcesses: 8,
  maxWalSenders: 10,
  maxPreparedXacts: 0,
  maxLocksPerXact: 64,
  trackCommitTimestamp: true,
} as ControlFile;

/** A record of changed settings: each of the five limits, then wal_level replica. */
function change(lsn: bigint, limits: readonly number[], trackCommitTimestamp: boolean): WalRecord {
  const data = Buffer.alloc(26);
  for (const [i, limit] of [...limits, 1].entries()) data.writeInt32LE(limit, 4 * i);
  data[25] = Number(trackCommitTimestamp);
  const header = Buffer.alloc(24);
  header[16] = 0x60;
  return new WalRecord(lsn, lsn + 56n, 15, Buffer.concat([header, Buffer.from([255, data.length]), data]));
}

function extensionRecord(lsn: bigint, rmid: number): WalRecord {
  const header = Buffer.alloc(24);
  header[17] = rmid;
  return new WalRecord(lsn, lsn + 24n, 15, header);
}

test("each limit is the largest of pg_control and all changes up to the head, commit timestamps are as at the head", (t) => {
  const reader = new RecoveryNeedsReader(1000n);
  reader.take(change(2000n, [50, 20, 5, 30, 64], true));
  reader.take(change(3000n, [70, 4, 12, 10, 32], false));
  t.deepEqual(reader.needs(CONTROL), {
    limits: {
      maxConnections: 100,
      maxWorkerProcesses: 20,
      maxWalSenders: 12,
      maxPreparedXacts: 30,
      maxLocksPerXact: 64,
    },
    trackCommitTimestamp: false,
    extensionResourceManagers: [],
  });
});

test("what the WAL says before the base backup is not asked", (t) => {
  const reader = new RecoveryNeedsReader(1000n);
  reader.take(change(999n, [5000, 8, 10, 0, 64], false));
  const { limits, trackCommitTimestamp } = reader.needs(CONTROL);
  t.is(limits.maxConnections, 100);
  t.true(trackCommitTimestamp);
});

test("an extension's resource manager is asked for once", (t) => {
  const reader = new RecoveryNeedsReader(0n);
  for (const rmid of [200, 130]) {
    t.true(reader.wants(rmid, 0));
    reader.take(extensionRecord(10n, rmid));
    t.false(reader.wants(rmid, 0));
  }
  t.false(reader.wants(10, 0x60));
  t.true(reader.wants(0, 0x60));
  t.deepEqual(reader.needs(CONTROL).extensionResourceManagers, [130, 200]);
});
