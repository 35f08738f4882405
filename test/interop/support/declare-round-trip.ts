import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type PostgresMajor, startPostgres, type TestPostgres } from "../../../scripts/support/postgres.js";
import { type TableDigest, tableDigests } from "../../../scripts/support/table-digests.js";
import {
  createTemporaryDirectory,
  type TemporaryDirectory,
} from "../../../scripts/support/temporary-directory.js";
import { exportBranch } from "../../../src/postgres/export/export-branch.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { type TemporaryStore, temporaryStore } from "../../support/temporary-store.js";
import { busySource } from "./busy-source.js";
import { fingerprint } from "./fingerprint.js";
import { checkPages } from "./pages.js";
import { isOfMajor, requireTool, runTool } from "./tools.js";

/** What a round trip is made with. */
export interface RoundTripOptions {
  readonly major: PostgresMajor;
  /** Arguments of initdb that switch data checksums on or off. */
  readonly initdb: readonly string[];
  readonly checksums: boolean;
}

/** Declares the tests of one import → export → boot of a cluster that changes while it is imported. */
export function declareRoundTrip({ major, initdb, checksums }: RoundTripOptions): void {
  let there: TestPostgres;
  let sourceDirectories: string[];
  let sourceFiles: Record<string, string>[];
  let expected: Map<string, TableDigest>;
  let notes: string[];
  let repository: TemporaryStore;
  let exports: TemporaryDirectory;
  const cleanUp: (() => Promise<void>)[] = [];

  test.before(async () => {
    const source = await busySource(major, initdb);
    cleanUp.push(() => source.remove());
    repository = await temporaryStore();
    cleanUp.push(() => repository.remove());
    let changed = false;
    const { branch } = await importCluster({
      store: repository.store,
      branch: "main",
      uri: source.postgres.uri,
      onProgress() {
        if (!changed) source.change();
        changed = true;
      },
    });
    expected = await tableDigests(source.postgres);
    await source.postgres.stop();
    sourceDirectories = [source.postgres.dataDir, source.tablespaces.path];
    sourceFiles = sourceDirectories.map(fingerprint);

    exports = await createTemporaryDirectory("neon-export-");
    cleanUp.push(() => exports.remove());
    const directory = join(exports.path, "data");
    const exported = await exportBranch({ store: repository.store, branch, directory });
    notes = exported.notes;
    there = await startPostgres(directory, major);
    cleanUp.push(() => there.remove());
  });

  test.after.always(async () => {
    for (const remove of cleanUp.reverse()) await remove();
  });

  test.serial(
    "every table of every database has the same rows, those of large objects included",
    async (t) => {
      t.true(expected.has("made_meanwhile.public.born"));
      t.is(expected.get("postgres.public.in_late")?.rows, 2000);
      t.deepEqual(await tableDigests(there), expected);
    },
  );

  test.serial("a large object can be read", async (t) => {
    t.deepEqual(await there.query("select length(lo_get(4711)), encode(lo_get(4712), 'hex')"), [
      ["20000", "beef"],
    ]);
  });

  test.serial("an unlogged table is there, empty, and takes rows", async (t) => {
    t.deepEqual(await there.query("select count(*) from unlogged"), [["0"]]);
    await there.query("insert into unlogged values (1, 'one')");
    t.deepEqual(await there.query("select count(*) from unlogged"), [["1"]]);
  });

  test.serial("what was dropped while the base backup ran is gone", async (t) => {
    t.deepEqual(await there.query("select to_regclass('dropped')"), [[""]]);
    t.deepEqual(await there.query("select * from truncated"), [["1", "after"]]);
  });

  test.serial("a prepared transaction can still be committed", async (t) => {
    t.deepEqual(await there.query("select gid from pg_prepared_xacts"), [["pending"]]);
    await there.query("commit prepared 'pending'");
    t.deepEqual(await there.query("select note from plain where id = 0"), [["pending"]]);
  });

  test.serial("settings that recovery needs are those of the source", async (t) => {
    const names = ["max_prepared_transactions", "max_connections", "archive_mode", "wal_keep_size"];
    const values = await Promise.all(names.map((name) => there.query(`show ${name}`)));
    t.deepEqual(values.flat(2), ["7", "33", "off", "1GB"]);
  });

  test.serial("it goes on with a Postgres timeline of its own", async (t) => {
    await there.query("checkpoint");
    t.deepEqual(await there.query("select timeline_id from pg_control_checkpoint()"), [["2"]]);
  });

  test.serial(
    "tablespaces from before and during the base backup are directories of the export",
    async (t) => {
      const spaces = await there.query(
        "select spcname, oid from pg_tablespace where oid >= 16384 order by 1",
      );
      t.deepEqual(
        spaces.map(([name]) => name),
        ["early", "late"],
      );
      for (const [, oid] of spaces) {
        const path = join(there.dataDir, "pg_tblspc", oid as string);
        t.true(lstatSync(path).isDirectory());
        t.true((readdirSync(path)[0] as string).startsWith(`PG_${major}_`));
      }
      t.true(notes.some((note) => note.includes("allow_in_place_tablespaces")));
    },
  );

  test.serial("nothing that it writes reaches the source's files on the same host", async (t) => {
    await there.query("insert into in_early values (0, 'far'); insert into in_late values (0, 'far')");
    await there.query("create table another tablespace late as select 1 as number");
    await there.query("drop table in_early");
    await there.query("checkpoint");
    t.deepEqual(sourceDirectories.map(fingerprint), sourceFiles);
  });

  test.serial("a crash and a restart lose nothing", async (t) => {
    await there.query("insert into created values (-1, 'late')");
    await there.stop("immediate");
    await there.restart();
    t.deepEqual(await there.query("select note from created where id = -1"), [["late"]]);
    t.deepEqual(await there.query("select number from another"), [["1"]]);
  });

  test.serial("it can be imported and exported again, tablespaces included", async (t) => {
    const { branch } = await importCluster({ store: repository.store, branch: "again", uri: there.uri });
    const rows = await tableDigests(there);
    const directory = join(exports.path, "again");
    await exportBranch({ store: repository.store, branch, directory });
    const again = await startPostgres(directory, major);
    t.teardown(again.remove);
    t.deepEqual(await tableDigests(again), rows);
    t.deepEqual(await again.query("select count(*), min(id) from in_late"), [["2001", "0"]]);
  });

  test.serial("pg_amcheck finds nothing", async (t) => {
    const tool = requireTool(t, "pg_amcheck");
    if (tool === undefined) return;
    const where = ["-h", "127.0.0.1", "-p", String(there.port), "-U", "postgres"];
    const checks = ["--all", "--install-missing", "--heapallindexed", "--parent-check"];
    t.deepEqual(runTool(tool, [...where, ...checks]), { status: 0, output: "" });
  });

  test.serial("it shuts down, and every page has its checksum if the source had them", async (t) => {
    await there.stop();
    const { pages, wrong } = checkPages(there.dataDir);
    t.true(pages > 1000);
    t.is(wrong.length === 0, checksums, wrong.slice(0, 5).join("; "));
  });

  test.serial("pg_checksums finds nothing", async (t) => {
    const tool = requireTool(t, "pg_checksums");
    if (tool === undefined) return;
    if (!isOfMajor(tool, major)) {
      t.log(`${tool} does not read clusters of Postgres ${major}`);
      return t.pass();
    }
    const { status, output } = runTool(tool, ["--check", "-D", there.dataDir]);
    t.is(status, checksums ? 0 : 1, output);
    t.regex(output, checksums ? /Bad checksums: +0\n/ : /data checksums are not enabled/);
  });

  test.serial("the log holds no error", (t) => {
    const log = readFileSync(join(there.socketDir, "log"), "utf8");
    t.notRegex(log, /PANIC|could not/);
  });
}
