import test from "ava";
import { NeonError } from "../../../src/errors.js";
import { isExportedPath } from "../../../src/postgres/export/cluster-path.js";

const HOSTILE = [
  "",
  ".",
  "..",
  "../escaped",
  "/etc/escaped",
  "base/../../escaped",
  "base/..",
  "base//escaped",
  "base/",
  "./escaped",
  "a\0b",
  "pg_tblspc/../escaped",
  "pg_tblspc/16384/PG_15_202209061/../1",
  "a".repeat(256),
  "a/".repeat(2100).slice(0, -1),
];

for (const path of HOSTILE) {
  test(`the path ${JSON.stringify(path.slice(0, 40))} (${path.length} characters) is refused`, (t) => {
    const error = t.throws(() => isExportedPath(path), { instanceOf: NeonError });
    t.is(error.sqlstate, "XX001");
    t.true(error.message.length < 300);
  });
}

const EXPORTED = [
  "PG_VERSION",
  "backup_label",
  "base/5/pg_filenode.map",
  "global/pg_control",
  "pg_xact/0000",
  "pg_tblspc",
  "pg_tblspc/16384",
  "pg_tblspc/16384/PG_15_202209061",
  "pg_tblspc/16384/PG_15_202209061/5/16400",
  "pg_wal",
  "pg_replslot",
  "conf.d/Zürich (1).conf",
  "..hidden",
  "...",
  "a\nb",
  "a\tb",
  "a\\b",
  "..\\not escaped",
  "\x1b[31m",
  "\xff\xfe",
  "Standby.Signal",
  "PG_WAL/00000002.history",
  "PG_TBLSPC/16384",
];

for (const path of EXPORTED) {
  test(`the path ${JSON.stringify(path)} is written`, (t) => {
    t.true(isExportedPath(path));
  });
}

const LEFT_OUT = [
  "standby.signal",
  "recovery.signal",
  "recovery.conf",
  "postmaster.pid",
  "tablespace_map",
  "backup_manifest",
  "pg_wal/0000000100000000000000FF",
  "pg_replslot/slot/state",
  "pg_stat_tmp/global.stat",
  "pg_tblspc/.DS_Store",
  "pg_tblspc/lost+found/#1234",
  "pg_tblspc/16384x",
  "pg_tblspc/016384",
  "pg_tblspc/16384/elsewhere/1",
];

for (const path of LEFT_OUT) {
  test(`the path "${path}" is left out`, (t) => {
    t.false(isExportedPath(path));
  });
}
