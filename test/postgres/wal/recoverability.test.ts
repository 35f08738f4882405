import test from "ava";
import { judgedBy, Recoverability, UnrecoverableWalError } from "../../../src/postgres/wal/recoverability.js";
import { WalReader } from "../../../src/postgres/wal/wal-reader.js";
import { WalBuilder } from "./wal-builder.js";
import { backupEnd, checkpoint, endOfRecovery, overwrites, settings, xlog } from "./xlog-records.js";

const SEGMENT = 1024 * 1024;
const START = 0x1230_0000n;

const filler = { rmid: 10, info: 0, body: Buffer.alloc(100, 0xab) };

/** Reads what `build` builds behind two records, of which the second is where recovery begins. */
function judge(build: (wal: WalBuilder, start: bigint) => void, magic = 0xd110) {
  const wal = new WalBuilder(START, SEGMENT);
  wal.magic = magic;
  wal.record(settings(0)); // before the base backup it does not matter
  const start = wal.record(filler).start;
  build(wal, start);
  const state = new Recoverability({ lsn: start, timelineId: 1, walSegmentSize: SEGMENT });
  const reader: WalReader = new WalReader({
    startLsn: START,
    walSegmentSize: SEGMENT,
    ...judgedBy(state, () => reader),
  });
  let error: unknown;
  try {
    for (let at = 0; at < wal.bytes.length; at += 1000) reader.push(wal.bytes.subarray(at, at + 1000));
  } catch (thrown) {
    error = thrown;
  }
  return { wal, state, reader, error };
}

const UNRECOVERABLE: Record<string, [(wal: WalBuilder, start: bigint) => void, RegExp]> = {
  "a server with wal_level=minimal": [(wal) => wal.record(settings(0)), /wal_level=minimal/],
  "an online checkpoint of another timeline": [
    (wal, start) => wal.record(checkpoint(0x10, start, 2)),
    /timeline 2 does not follow timeline 1/,
  ],
  "an older timeline": [(wal, start) => wal.record(checkpoint(0, start, 0, 1)), /timeline 0/],
  "a switch from a timeline that is not the current one": [
    (wal) => wal.record(endOfRecovery(3, 2)),
    /timeline 3 does not follow timeline 1/,
  ],
  "a checkpoint before its redo point": [
    (wal) => wal.record(checkpoint(0x10, wal.lsn + 4096n, 1)),
    /begins behind itself/,
  ],
  "a resource manager that no Postgres has": [
    (wal) => wal.record({ ...filler, rmid: 22 }),
    /no resource manager 22/,
  ],
  "an unfinished record that is another one": [
    (wal) => {
      const { room } = wal;
      wal.abandon({ ...filler, body: Buffer.alloc(room + 100) });
      wal.record(overwrites(START + 40n));
    },
    /gives up another record/,
  ],
  "a checkpoint that is cut short": [(wal) => wal.record(xlog(0x10, Buffer.alloc(8))), /cut short/],
};

for (const [what, [build, reason]] of Object.entries(UNRECOVERABLE)) {
  test(`WAL ends before ${what}, and the reason is told`, (t) => {
    const { wal, reader, error } = judge((wal, start) => {
      build(wal, start);
      wal.record(filler);
    });
    const bad = wal.records.at(-2);
    t.true(error instanceof UnrecoverableWalError, String(error));
    const { code, message } = error as UnrecoverableWalError;
    t.is(code, "object_not_in_prerequisite_state");
    t.regex(message, reason);
    const lsn = `0/${bad?.start.toString(16).toUpperCase()}`;
    t.true(message.includes(lsn), message);
    t.is(reader.endLsn, wal.records.at(-3)?.end as bigint);
  });
}

test("WAL that recovery takes is taken, and what it has to hold is found", (t) => {
  const backup = { first: 0n, second: 0n, end: 0n };
  const { wal, state, reader, error } = judge((wal, start) => {
    wal.record(settings(1));
    backup.first = wal.record(checkpoint(0x10, start, 1)).start;
    backup.second = wal.record(checkpoint(0, start, 1)).start;
    wal.record(backupEnd(start + 8n)); // of another backup
    backup.end = wal.record(backupEnd(start)).end;
    wal.record(checkpoint(0, wal.lsn, 1));
    wal.fillUpTo(200);
    const abandoned = wal.lsn;
    wal.abandon({ ...filler, body: Buffer.alloc(1000) });
    wal.record(overwrites(abandoned));
    wal.record(endOfRecovery(2, 1));
    wal.record(checkpoint(0x10, wal.lsn, 2));
    wal.record(checkpoint(0, wal.lsn, 5, 2));
    wal.record({ ...filler, rmid: 200 });
    wal.record(settings(2));
  });
  t.is(error, undefined);
  t.is(reader.endLsn, wal.lsn);
  t.deepEqual([...state.checkpoints], [backup.first, backup.second]);
  t.is(state.backupEndLsn, backup.end);
  t.is(state.shutdownInBackup, backup.second);
});

test("an extension's resource manager is none in PostgreSQL 14", (t) => {
  const { error } = judge((wal) => wal.record({ ...filler, rmid: 200 }), 0xd10d);
  t.regex(String(error), /PostgreSQL 14 has no resource manager 200/);
});

test("a copy judges the rest by itself", (t) => {
  const { state } = judge((wal) => wal.record(filler));
  const copies = [state.clone(), state.clone()];
  for (const copy of copies) {
    const wal = new WalBuilder(START + BigInt(SEGMENT), SEGMENT);
    wal.record(endOfRecovery(2, 1));
    const reader: WalReader = new WalReader({
      startLsn: wal.startLsn,
      walSegmentSize: SEGMENT,
      ...judgedBy(copy, () => reader),
    });
    t.notThrows(() => reader.push(wal.bytes));
  }
});
