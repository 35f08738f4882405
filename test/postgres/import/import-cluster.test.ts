import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createPostgres, POSTGRES_MAJORS, type TestPostgres } from "../../../scripts/support/postgres.js";
import { bytePath } from "../../../src/postgres/byte-path.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { openStore } from "./open-store.js";
import { faultsOf, readBranch } from "./read-branch.js";

const PG_DEFAULT = 1663;

/** The stored WAL and the server's own segment files, up to the head. */
async function serverWal(
  server: TestPostgres,
  start: bigint,
  end: bigint,
  segmentSize: number,
): Promise<Buffer> {
  const files: Buffer[] = [];
  for (let lsn = start; lsn < end; lsn += BigInt(segmentSize)) {
    const [[name]] = await server.query(`select pg_walfile_name('${hexLsn(lsn + 1n)}')`);
    files.push(await readFile(join(server.dataDir, "pg_wal", name as string)));
  }
  return Buffer.concat(files).subarray(0, Number(end - start));
}

function hexLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`;
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: a branch holds the server's files, byte for byte, and its WAL up to a record's end`, async (t) => {
    const server = await createPostgres({
      major,
      initdb: ["--wal-segsize=1"],
      settings: { wal_keep_size: "64MB" },
    });
    t.teardown(() => server.remove());
    const store = await openStore(t);
    await server.query(
      "create table rows as select g, repeat(md5(g::text), 4) as text from generate_series(1, 9000) g",
    );
    await server.query("create table empty (a int)");
    await server.query("create unlogged table unlogged as select 1 as a");
    await server.query("vacuum rows");
    await server.query("checkpoint");

    const made = await importCluster({ store, branch: "main", uri: server.uri });
    const branch = store.requireBranch("main");
    t.deepEqual(made.branch.head, branch.head);
    t.is(made.frames, branch.frames);
    const content = await readBranch(store, branch);
    t.deepEqual(faultsOf(branch, content), []);
    t.true(made.sourceBytes > content.wal.length);

    const { start } = branch;
    t.is(start.blockSize, 8192);
    t.is(start.walSegmentSize, 1024 * 1024);
    t.is(Math.floor(start.serverVersionNum / 10_000), major);
    t.is(start.importId.length, 16);
    const wal = await serverWal(server, start.walStartLsn, branch.head.lsn, start.walSegmentSize);
    t.true(content.wal.equals(wal), "the WAL is not the server's");

    const filenode = async (name: string) => {
      const [[node, database]] = await server.query(
        `select pg_relation_filenode('${name}'), oid from pg_database where datname = current_database()`,
      );
      return { tablespaceOid: PG_DEFAULT, databaseOid: Number(database), relationNumber: Number(node) };
    };
    const rows = await filenode("rows");
    const path = join(server.dataDir, "base", String(rows.databaseOid), String(rows.relationNumber));
    for (const [fork, suffix] of [
      [RelationForkName.MAIN, ""],
      [RelationForkName.FSM, "_fsm"],
      [RelationForkName.VM, "_vm"],
    ] as const) {
      t.true(content.fork({ ...rows, fork })?.equals(await readFile(path + suffix)), `rows${suffix} differs`);
    }
    const blocks = content
      .of("pageImages")
      .flatMap(({ value }) =>
        value.relation?.relationNumber === rows.relationNumber &&
        value.relation.fork === RelationForkName.MAIN
          ? value.blocks
          : [],
      );
    t.deepEqual(
      blocks,
      blocks.map((_, index) => index),
    );
    t.is(content.fork({ ...(await filenode("empty")), fork: RelationForkName.MAIN })?.length, 0);
    const unlogged = await filenode("unlogged");
    t.is(content.fork({ ...unlogged, fork: RelationForkName.INIT })?.length, 0);
    t.is(content.fork({ ...unlogged, fork: RelationForkName.MAIN }), undefined);

    t.is(content.file("PG_VERSION")?.toString(), `${major}\n`);
    t.is(content.file("global/pg_control")?.length, 8192);
    t.regex(content.file("backup_label")?.toString() ?? "", /LABEL: neon import/);
    const directories = content.of("directory").map(({ value }) => bytePath(value.path));
    for (const path of [
      "pg_notify",
      "pg_subtrans",
      "pg_twophase",
      "pg_replslot",
      "pg_tblspc",
      "pg_commit_ts",
      "pg_wal",
    ]) {
      t.true(directories.includes(path), `${path} is missing`);
    }
    t.true(directories.some((path) => path.startsWith("pg_logical/")));
    for (const path of ["postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal"]) {
      t.is(content.file(path), undefined);
    }
    t.deepEqual(
      content.of("filePiece").filter(({ value }) => /^(pg_wal|pg_replslot)\//.test(bytePath(value.path))),
      [],
    );
    t.deepEqual(await server.query("select * from pg_replication_slots"), []);
  });

  const length = major < 16 ? "" : ", whatever the length of their path";
  test(`${major}: tablespaces come as records under their OID${length}`, async (t) => {
    const server = await createPostgres({ major });
    t.teardown(() => server.remove());
    const store = await openStore(t);
    const location = join(server.socketDir, "t".repeat(major < 16 ? 9 : 110));
    await server.query(`copy (select 1) to program 'cat > /dev/null; mkdir ${location}'`);
    await server.query(`create tablespace far location '${location}'`);
    await server.query("create table away tablespace far as select generate_series(1, 1000) as a");
    await server.query("checkpoint");
    const [[oid, node, database]] = await server.query(
      "select t.oid, pg_relation_filenode('away'), d.oid from pg_tablespace t, pg_database d where spcname = 'far' and datname = current_database()",
    );

    const { branch } = await importCluster({ store, branch: "main", uri: server.uri });
    t.deepEqual(
      branch.start.tablespaces.map(({ oid, location }) => ({ oid, location })),
      [{ oid: Number(oid), location }],
    );
    const content = await readBranch(store, branch);
    t.deepEqual(faultsOf(branch, content), []);
    const directories = content.of("directory").map(({ value }) => bytePath(value.path));
    t.true(directories.includes(`pg_tblspc/${oid}`));
    t.true(
      directories.some((path) => new RegExp(`^pg_tblspc/${oid}/PG_${major}_\\d+/${database}$`).test(path)),
    );
    const pages = content.fork({
      tablespaceOid: Number(oid),
      databaseOid: Number(database),
      relationNumber: Number(node),
      fork: RelationForkName.MAIN,
    });
    t.true((pages?.length ?? 0) > 0);
    t.is(content.file("tablespace_map"), undefined);
  });
}

test("an archive_command that fails does not hold the import up", async (t) => {
  const server = await createPostgres({
    major: 15,
    settings: { archive_mode: "on", archive_command: "false" },
  });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const { branch } = await importCluster({ store, branch: "main", uri: server.uri });
  t.deepEqual(faultsOf(branch, await readBranch(store, branch)), []);
});

test("a branch holds frames of the base backup and of WAL, and progress ends at the base backup's size", async (t) => {
  const server = await createPostgres({ major: 15 });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const steps: { phase: string; bytes: number; totalBytes?: number }[] = [];
  const { branch } = await importCluster({
    store,
    branch: "main",
    uri: server.uri,
    onProgress: (step) => steps.push(step),
  });
  const { frames } = await readBranch(store, branch);
  t.deepEqual(
    new Set(frames.map(({ kind }) => kind)),
    new Set([FrameKind.START, FrameKind.BASE, FrameKind.WAL]),
  );
  t.is(steps[0]?.phase, "base backup");
  t.true(steps.every((step, i) => i === 0 || step.bytes >= (steps[i - 1]?.bytes ?? 0)));
  t.true(steps.every((step) => step.bytes <= (step.totalBytes ?? 0)));
});

test("a name that is taken is refused before anything is asked of the server", async (t) => {
  const server = await createPostgres({ major: 15 });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  await importCluster({ store, branch: "main", uri: server.uri });
  const { head } = store.requireBranch("main");
  await t.throwsAsync(importCluster({ store, branch: "main", uri: "postgresql://127.0.0.1:1/" }), {
    code: "duplicate_object",
  });
  t.deepEqual(store.requireBranch("main").head, head);
});
