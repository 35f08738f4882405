import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  type PostgresMajor,
  startPostgres,
  type TestPostgres,
} from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../src/errors.js";
import { pathBelow } from "../../src/postgres/byte-path.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { importCluster } from "../../src/postgres/import/import-cluster.js";
import { initRepository } from "../../src/server/config.js";
import { temporaryStore } from "../support/temporary-store.js";

/** In UTF-8 but for the last ones, which are bytes that no text has: they would become one name. */
const NAMES = [
  ..."C:\\backup\\x.sql|..\\up|tab\there|new\nline|cr\rlf|qu\"ote|apo'strophe|back`tick|$HOME|-rf|*?[a]|%00|a;b&c|#|~"
    .split("|")
    .map(utf8),
  ..." lead|trail |...|..two|.hidden|\u0001\u001b[2J\u007f|👩\u200d💻|\u202ertl|no\u00adthing|ünïcode|u\u0308ni|İI|CON|nul.txt"
    .split("|")
    .map(utf8),
  ..."Standby.Signal|PG_version|Postmaster.pid|postmaster.notes|.neonatal|README|x|16384x"
    .split("|")
    .map(utf8),
  "\xff",
  "\xfe",
  "\xc3",
  "caf\xe9",
  "\xed\xa0\x80",
];

/** Where they lie. `%` is a database of the cluster. */
const PLACES = [
  "",
  "base/",
  "base/%/",
  "global/",
  "pg_xact/",
  "pg_multixact/members/",
  "pg_logical/",
  "pg_twophase/",
];

function utf8(name: string): string {
  return Buffer.from(name).toString("latin1");
}

/** The content of every file, and "/" for every directory, by path in latin1. */
function listing(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (below: string) => {
    for (const name of readdirSync(pathBelow(root, below), { encoding: "latin1" })) {
      const path = below === "" ? name : `${below}/${name}`;
      const isDirectory = lstatSync(pathBelow(root, path)).isDirectory();
      found.set(path, isDirectory ? "/" : readFileSync(pathBelow(root, path), "latin1"));
      if (isDirectory) visit(path);
    }
  };
  visit("");
  return found;
}

function put(root: string, path: string, content: string): void {
  writeFileSync(pathBelow(root, path), content, "latin1");
}

async function copyOf(t: ExecutionContext, source: TestPostgres, onNotice?: (text: string) => void) {
  const repository = await temporaryStore();
  t.teardown(() => repository.remove());
  const { store } = repository;
  const { branch } = await importCluster({
    store,
    branch: "main",
    uri: source.uri,
    ...(onNotice && { onNotice }),
  });
  const exports = await createTemporaryDirectory("neon-export-");
  t.teardown(() => exports.remove());
  const directory = join(exports.path, "data");
  await exportBranch({ store, branch, directory });
  return directory;
}

test("neither a repository nor an export is made in a data directory, whatever way leads there", async (t) => {
  const source = await createPostgres({ major: 15, settings: { fsync: "off" } });
  t.teardown(() => source.remove());
  const elsewhere = await createTemporaryDirectory("neon-elsewhere-");
  t.teardown(() => elsewhere.remove());
  const link = join(elsewhere.path, "link");
  symlinkSync(join(source.dataDir, "base"), link);
  const before = [...listing(source.dataDir).keys()].sort();
  for (const parent of [
    source.dataDir,
    join(source.dataDir, "base"),
    link,
    join(source.dataDir, "new", "one"),
  ]) {
    const error = await t.throwsAsync<NeonError>(initRepository(parent), {
      message: /holds the files of a PostgreSQL/,
    });
    t.is(error?.sqlstate, "55000");
  }
  const repository = await temporaryStore();
  t.teardown(() => repository.remove());
  const { store } = repository;
  const { branch } = await importCluster({ store, branch: "main", uri: source.uri });
  for (const directory of [join(source.dataDir, "copy"), join(link, "copy")]) {
    await t.throwsAsync(exportBranch({ store, branch, directory }), {
      code: "object_not_in_prerequisite_state",
    });
  }
  const isOurs = (path: string) => /neon|copy|new/.test(path);
  t.deepEqual([...listing(source.dataDir).keys()].sort().filter(isOurs), before.filter(isOurs));
});

for (const major of [14, 15, 18] as PostgresMajor[]) {
  test(`${major}: every name comes back in every place with its bytes, its content and its directory`, async (t) => {
    const source = await createPostgres({ major, settings: { fsync: "off" } });
    t.teardown(() => source.remove());
    await source.query("create table t as select generate_series(1, 1000) as i");
    const [[database]] = await source.query("select oid from pg_database where datname = current_database()");
    const expected = new Map<string, string>();
    for (const place of PLACES.map((text) => text.replace("%", database as string))) {
      for (const name of NAMES) {
        // An odd directory with an odd file and with an odd, empty directory, and an odd file beside it.
        for (const path of [`${place}${name}`, `${place}${name}.d/${name}`])
          expected.set(path, `content of ${path}`);
        mkdirSync(pathBelow(source.dataDir, `${place}${name}.d/${name}.d`), { recursive: true });
        expected.set(`${place}${name}.d`, "/");
        expected.set(`${place}${name}.d/${name}.d`, "/");
      }
    }
    for (const [path, content] of expected) if (content !== "/") put(source.dataDir, path, content);
    const notices: string[] = [];
    const directory = await copyOf(t, source, (text) => notices.push(text));
    t.deepEqual(notices, []);
    const there = listing(directory);
    t.deepEqual(
      [...expected].filter(([path, content]) => there.get(path) !== content),
      [],
    );
    // Nothing was renamed: what is there and was not put there is the cluster's own, whose names are plain.
    t.deepEqual(
      [...there.keys()].filter((path) => !expected.has(path) && !/^[\w./-]+$/.test(path)),
      [],
    );
    const copy = await startPostgres(directory, major);
    t.teardown(() => copy.remove());
    t.deepEqual(await copy.query("select count(*) from t"), [["1000"]]);
  });

  test(`${major}: what is nobody's is left out with a note, and the copy starts`, async (t) => {
    const source = await createPostgres({ major, settings: { fsync: "off" } });
    t.teardown(() => source.remove());
    await source.query("create table t as select generate_series(1, 1000) as i");
    for (const path of [
      "pg_tblspc/lost+found/x",
      ".neon/store/refs",
      "backups/.neon/store",
      "backups/.neon.old",
    ])
      mkdirSync(join(source.dataDir, path), { recursive: true });
    for (const path of [
      "pg_tblspc/.DS_Store",
      "pg_tblspc/.nfs0001",
      "pg_tblspc/new\nline",
      "pg_tblspc/lost+found/x/y",
      ".neon/config.toml",
      ".neon/store/refs/data.mdb",
      "backups/.neon/config.toml",
      "backups/.neon.old/config.toml",
      "backups/kept",
      "recovery.conf",
      "base/2000000000",
    ])
      put(source.dataDir, path, "users = secret");
    const notices: string[] = [];
    const directory = await copyOf(t, source, (text) => notices.push(text));
    const told = notices.map((text) => /^left out ("[^"]*") of its data directory/.exec(text)?.[1]).sort();
    const always = [
      '".neon"',
      '"backups/.neon"',
      '"backups/.neon.old"',
      '"base/2000000000"',
      '"recovery.conf"',
    ];
    const strays = [".DS_Store", ".nfs0001", "lost+found", "new\\x0aline"].map(
      (name) => `"pg_tblspc/${name}"`,
    );
    // Newer base backups leave strays out themselves.
    const taken = major === 14 ? strays : strays.filter((name) => told.includes(name));
    t.deepEqual(told, [...always, ...taken].sort());
    const found = [...listing(directory).keys()];
    t.deepEqual(
      found.filter((path) => /\.neon|pg_tblspc\/|recovery\.conf/.test(path)),
      [],
    );
    t.true(found.includes("backups/kept"));
    const copy = await startPostgres(directory, major);
    t.teardown(() => copy.remove());
    t.deepEqual(await copy.query("select count(*) from t"), [["1000"]]);
  });
}
