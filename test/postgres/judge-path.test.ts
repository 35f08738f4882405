import test from "ava";
import { NeonError } from "../../src/errors.js";
import { isExportedPath, judgePath } from "../../src/postgres/judge-path.js";

const OUTSIDE = [
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
  "a/".repeat(2048).slice(0, -1).concat("bc"),
];

for (const path of OUTSIDE) {
  test(`the path ${JSON.stringify(path.slice(0, 40))} (${path.length} bytes) is refused by import and export`, (t) => {
    for (const judge of [judgePath, isExportedPath]) {
      const error = t.throws(() => judge(path, "file", 15), { instanceOf: NeonError });
      t.is(error.sqlstate, "XX001");
      t.true(error.message.length < 300);
    }
  });
}

const KEPT = [
  "PG_VERSION",
  "backup_label",
  "base/5/pg_filenode.map",
  "global/pg_control",
  "pg_xact/0000",
  "pg_tblspc/16384/PG_15_202209061/5/16400",
  "conf.d/Zürich (1).conf",
  "..hidden",
  "...",
  " ",
  "a\nb",
  "a\\b",
  "..\\..\\stays",
  "\xff",
  "\x1b[2J",
  "Standby.Signal",
  "POSTMASTER.PID",
  "PG_WAL/00000002.history",
  "PG_TBLSPC/16384",
  "postmaster.notes",
  "tablespace_map.old",
  ".neon",
  ".neonatal/config.toml",
  "config/standby.signal",
  "x".repeat(255),
];

for (const path of KEPT) {
  test(`the file ${JSON.stringify(path.slice(0, 40))} is kept`, (t) => {
    t.deepEqual(judgePath(path, "file", 15), { kept: true });
    t.true(isExportedPath(path, "file", 15));
  });
}

for (const path of [
  "base",
  "pg_wal",
  "pg_replslot",
  "pg_tblspc",
  "pg_tblspc/16384",
  "pg_tblspc/16384/PG_15_202209061",
]) {
  test(`the directory ${path} is kept`, (t) => {
    t.deepEqual(judgePath(path, "directory", 15), { kept: true });
  });
}

for (const path of [
  "standby.signal",
  "standby.signal/makes-it-a-standby-too",
  "recovery.signal",
  "postmaster.pid",
  "postmaster.opts",
  "tablespace_map",
  "backup_manifest",
  "current_logfiles",
  "pg_wal/0000000100000000000000FF",
  "pg_wal/archive_status/000000010000000000000001.done",
  "pg_replslot/slot/state",
  "pg_stat_tmp/global.stat",
]) {
  test(`${path} is left out by import and export, without a word`, (t) => {
    const fate = judgePath(path, "file", 15);
    t.false(fate.kept);
    t.is(fate.kept ? "" : fate.why, undefined);
    t.false(isExportedPath(path, "file", 15));
  });
}

for (const [path, kind, top, why] of [
  ["pg_tblspc/.DS_Store", "file", "pg_tblspc/.DS_Store", /no tablespace/],
  ["pg_tblspc/lost+found", "directory", "pg_tblspc/lost+found", /no tablespace/],
  ["pg_tblspc/lost+found/x/y", "file", "pg_tblspc/lost+found", /no tablespace/],
  ["pg_tblspc/16384", "file", "pg_tblspc/16384", /no tablespace/],
  ["pg_tblspc/016384/PG_15_202209061/5/1", "file", "pg_tblspc/016384", /no tablespace/],
  ["pg_tblspc/16384/elsewhere/1", "file", "pg_tblspc/16384/elsewhere", /no part of the tablespace/],
  ["pg_tblspc/16384/PG_15_202209061", "file", "pg_tblspc/16384/PG_15_202209061", /no part of the tablespace/],
  ["pg_tblspc/16384/PG_14_202107181/5/1", "file", "pg_tblspc/16384/PG_14_202107181", /another version/],
  [".neon/config.toml", "file", ".neon", /neon repository/],
  ["a/b/.neon/store/refs/data.mdb", "file", "a/b/.neon", /neon repository/],
  [".NEON", "directory", ".NEON", /neon repository/],
  [".neon.bak/config.toml", "file", ".neon.bak", /neon repository/],
  ["base/2000000000", "file", "base/2000000000", /directories of databases/],
  ["base/00", "file", "base/00", /directories of databases/],
  [
    "pg_tblspc/16384/PG_15_202209061/7",
    "file",
    "pg_tblspc/16384/PG_15_202209061/7",
    /directories of databases/,
  ],
  ["recovery.conf", "file", "recovery.conf", /do not start beside it/],
  ["postgresql.conf/part", "file", "postgresql.conf", /where a copy has a file/],
] as const) {
  test(`the ${kind} ${path} is left out by import, by name, and refused by export`, (t) => {
    const fate = judgePath(path, kind, 15);
    t.like(fate, { kept: false, top });
    t.regex((!fate.kept && fate.why) || "", why);
    t.throws(() => isExportedPath(path, kind, 15), { code: "data_corrupted" });
  });
}
