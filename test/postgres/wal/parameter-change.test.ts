import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres, type PostgresMajor } from "../../../scripts/support/postgres.js";
import {
  isParameterChange,
  type ParameterChange,
  parseParameterChange,
} from "../../../src/postgres/wal/parameter-change.js";
import { WalReader } from "../../../src/postgres/wal/wal-reader.js";
import { flushedLsn, KEEP_WAL, walOf } from "./real-wal.js";
import { WalBuilder } from "./wal-builder.js";

const SEGMENT = 1024 * 1024;

function changesIn(wal: Buffer, startLsn: bigint): ParameterChange[] {
  const changes: ParameterChange[] = [];
  const reader = new WalReader({
    startLsn,
    walSegmentSize: SEGMENT,
    select: isParameterChange,
    onRecord: (record) => changes.push(parseParameterChange(record)),
  });
  reader.push(wal);
  return changes;
}

for (const major of [14, 15, 18] satisfies PostgresMajor[]) {
  test.serial(`Postgres ${major} logs changed settings as they are read here`, async (t) => {
    const postgres = await createPostgres({ major, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
    t.teardown(postgres.remove);
    const settings = {
      max_connections: 41,
      max_worker_processes: 11,
      max_wal_senders: 7,
      max_prepared_transactions: 13,
      max_locks_per_transaction: 77,
      track_commit_timestamp: "on",
    };
    const set = (values: object) =>
      appendFile(
        join(postgres.dataDir, "postgresql.conf"),
        Object.entries(values)
          .map(([name, value]) => `${name} = ${value}\n`)
          .join(""),
      );
    await set(settings);
    await postgres.restart();
    await set({
      wal_level: "minimal",
      max_wal_senders: 0,
      max_connections: 40,
      track_commit_timestamp: "off",
    });
    await postgres.restart();
    const { bytes, startLsn } = walOf(postgres.dataDir, SEGMENT, await flushedLsn(postgres));
    const changes = changesIn(bytes, startLsn);
    const raised = {
      walLevel: 1,
      maxConnections: 41,
      maxWorkerProcesses: 11,
      maxWalSenders: 7,
      maxPreparedXacts: 13,
      maxLocksPerXact: 77,
      trackCommitTimestamp: true,
    };
    t.deepEqual(changes.slice(-2), [
      raised,
      { ...raised, walLevel: 0, maxWalSenders: 0, maxConnections: 40, trackCommitTimestamp: false },
    ]);
  });
}

test("a record of changed settings that is cut short is damage", (t) => {
  const builder = new WalBuilder(0x1230_0000n);
  builder.record({ rmid: 0, info: 0x60, body: Buffer.concat([Buffer.from([255, 25]), Buffer.alloc(25)]) });
  t.throws(() => changesIn(builder.bytes, builder.startLsn), {
    message: /a record of changed settings is cut short/,
  });
});
