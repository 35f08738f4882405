import test from "ava";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { backupPath, classifyBackupFile } from "../../../src/postgres/import/backup-file.js";

const SEGMENT_BLOCKS = 131_072;
const { MAIN, FSM, VM, INIT } = RelationForkName;

for (const [path, expected] of [
  ["base/5/16384", [1663, 5, 16384, MAIN, 0]],
  ["base/5/16384_fsm", [1663, 5, 16384, FSM, 0]],
  ["base/5/16384_vm", [1663, 5, 16384, VM, 0]],
  ["base/5/16384_init", [1663, 5, 16384, INIT, 0]],
  ["base/5/16384.2", [1663, 5, 16384, MAIN, 262_144]],
  ["base/5/16384_fsm.1", [1663, 5, 16384, FSM, 131_072]],
  ["global/1262", [1664, 0, 1262, MAIN, 0]],
  ["global/1262_vm", [1664, 0, 1262, VM, 0]],
  ["pg_tblspc/16400/PG_15_202209061/5/16401", [16400, 5, 16401, MAIN, 0]],
  ["base/4294967295/4294967295", [1663, 4294967295, 4294967295, MAIN, 0]],
] as const) {
  test(`${path} is part of a relation fork`, (t) => {
    const [tablespaceOid, databaseOid, relationNumber, fork, firstBlock] = expected;
    const relation = { tablespaceOid, databaseOid, relationNumber, fork };
    t.deepEqual(classifyBackupFile(path, 16_384, SEGMENT_BLOCKS), { kind: "relation", relation, firstBlock });
  });
}

for (const path of [
  "PG_VERSION",
  "base/5/PG_VERSION",
  "base/5/pg_filenode.map",
  "base/5/16384_xyz",
  "base/5/016384",
  "base/5/4294967296",
  "base/5/16384.0",
  "base/pgsql_tmp/16384",
  "global/pg_control",
  "pg_xact/0000",
  "pg_tblspc/16400/5/16401",
  "pg_wal_notes",
  "backup_label",
  "config/standby.signal",
  "pg_tblspc/1663/PG_15_202209061/5/16401",
]) {
  test(`${path} is kept verbatim`, (t) => {
    t.deepEqual(classifyBackupFile(path, 8192, SEGMENT_BLOCKS), { kind: "verbatim", path });
  });
}

test("a relation file that is no multiple of the block size is kept verbatim", (t) => {
  t.is(classifyBackupFile("base/5/16384", 8191, SEGMENT_BLOCKS).kind, "verbatim");
});

test("an empty relation file is a relation fork", (t) => {
  t.is(classifyBackupFile("base/5/16384", 0, SEGMENT_BLOCKS).kind, "relation");
});

test("a file that is larger than a relation's can be is kept verbatim", (t) => {
  t.is(classifyBackupFile("base/5/16384", SEGMENT_BLOCKS * 8192, SEGMENT_BLOCKS).kind, "relation");
  t.is(classifyBackupFile("base/5/16384", (SEGMENT_BLOCKS + 1) * 8192, SEGMENT_BLOCKS).kind, "verbatim");
});

test("an empty file behind the first one of a fork is kept verbatim", (t) => {
  t.is(classifyBackupFile("base/5/16384.1", 0, SEGMENT_BLOCKS).kind, "verbatim");
});

test("blocks beyond 32 bits make a file verbatim", (t) => {
  t.is(classifyBackupFile("base/5/16384.32767", 8192, SEGMENT_BLOCKS).kind, "relation");
  t.is(classifyBackupFile("base/5/16384.32768", 8192, SEGMENT_BLOCKS).kind, "verbatim");
});

test("a tar name becomes a path of the data directory", (t) => {
  t.is(backupPath("", "./base/5/"), "base/5");
  t.is(backupPath("", "./"), "");
  t.is(backupPath("pg_tblspc/16400", "PG_15_202209061/5"), "pg_tblspc/16400/PG_15_202209061/5");
  t.is(backupPath("pg_tblspc/16400", "./"), "pg_tblspc/16400");
});

for (const name of ["../etc/passwd", "base/../../x", "/etc/passwd"]) {
  test(`the tar name ${name} is refused`, (t) => {
    t.throws(() => backupPath("", name), { code: "protocol_violation" });
  });
}
