import { open } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres, startPostgres, type TestPostgres } from "../../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { NeonError } from "../../../src/errors.js";
import { parseLsn } from "../../../src/lsn.js";
import { exportBranch } from "../../../src/postgres/export/export-branch.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { pageChecksum } from "../../../src/postgres/pages/page-checksum.js";
import { verifyBranch } from "../../support/verify-branch.js";
import { gatedStore } from "./gated-store.js";
import { openStore } from "./open-store.js";

const BLOCK = 8192;
/** WAL that the server writes during the base backup, in bytes. */
const WAL_BYTES = 1024 * 1024;

/**
 * A server with two tables that lie in its buffers, so that it notices nothing when their files change. What it changes
 * stays in the buffers as well.
 */
async function createSource(major: 14 | 15 | 18, initdb: string[]): Promise<TestPostgres> {
  const settings = { autovacuum: "off", fsync: "off", bgwriter_lru_maxpages: "0", max_wal_size: "1GB" };
  const server = await createPostgres({ major, initdb, settings });
  for (const table of ["busy", "quiet"])
    await server.query(`create table ${table} as select generate_series(1, 1000) as a`);
  await server.query("vacuum");
  await server.query("checkpoint");
  return server;
}

/** Makes nonsense of a half of the first page of a table's file, and gives it an LSN. */
async function damage(server: TestPostgres, table: string, lsn: bigint, checksum = false): Promise<void> {
  const [[path]] = (await server.query(`select pg_relation_filepath('${table}')`)) as [[string]];
  const file = await open(join(server.dataDir, path), "r+");
  try {
    const page = Buffer.alloc(BLOCK);
    await file.read(page, 0, BLOCK, 0);
    page.fill(0xa5, BLOCK / 2);
    page.writeUInt32LE(Number(lsn >> 32n), 0);
    page.writeUInt32LE(Number(lsn & 0xffffffffn), 4);
    if (checksum) page.writeUInt16LE(pageChecksum(page, 0), 8);
    await file.write(page, 0, BLOCK, 0);
  } finally {
    await file.close();
  }
}

async function currentLsn(server: TestPostgres): Promise<bigint> {
  const [[lsn]] = (await server.query("select pg_current_wal_insert_lsn()")) as [[string]];
  return parseLsn(lsn);
}

/** An LSN behind the start of the base backup to come, which begins with the next segment, and before its end. */
async function lsnInBackup(server: TestPostgres): Promise<bigint> {
  const segment = 16n * 1024n * 1024n;
  return ((await currentLsn(server)) / segment + 1n) * segment + BigInt(WAL_BYTES / 2);
}

for (const major of [14, 15, 18] as const) {
  test(`${major}: a page that the backup found torn is imported if its WAL restores it, and refused if not`, async (t) => {
    const server = await createSource(major, ["--data-checksums"]);
    t.teardown(() => server.remove());
    const store = await openStore(t);
    const exports = await createTemporaryDirectory("neon-damaged-");
    t.teardown(() => exports.remove());
    const busy = async () => {
      await server.query("update busy set a = a + 1");
      await server.query(`select pg_logical_emit_message(false, 'x', repeat('x', ${WAL_BYTES}))`);
    };
    const importAs = (branch: string) =>
      importCluster({ store: gatedStore(store, 1, busy), branch, uri: server.uri });

    await damage(server, "busy", await lsnInBackup(server));
    const { branch } = await importAs("torn");
    t.is((await verifyBranch({ store, branch })).damage, undefined);
    const directory = join(exports.path, "data");
    await exportBranch({ store, branch, directory });
    const copy = await startPostgres(directory, major, { settings: { fsync: "off" } });
    t.teardown(() => copy.remove());
    t.deepEqual(await copy.query("select count(*), sum(a) from busy"), [["1000", "501500"]]);

    await damage(server, "quiet", await lsnInBackup(server));
    const error = await t.throwsAsync(importAs("bad"), { instanceOf: NeonError });
    t.is(error.code, "data_corrupted");
    t.regex(error.message, /page 0 of relation 1663\/\d+\/\d+ \(main\) fails its checksum/);
    t.regex(error.hint ?? "", /pg_filenode_relation\(1663, \d+\) .* Nothing was kept\.$/);
    t.deepEqual(
      store.listBranches().map(({ name }) => name),
      ["torn"],
    );
  });
}

test("a page whose LSN nobody has written yet is refused, whatever its checksum, and without checksums", async (t) => {
  for (const initdb of [["--data-checksums"], ["--no-data-checksums"]]) {
    const server = await createSource(18, initdb);
    t.teardown(() => server.remove());
    const store = await openStore(t);
    await damage(server, "quiet", (await currentLsn(server)) + (1n << 33n), true);
    const error = await t.throwsAsync(importCluster({ store, branch: "main", uri: server.uri }), {
      instanceOf: NeonError,
    });
    t.is(error.code, "data_corrupted");
    t.regex(error.message, /page 0 of relation .* has LSN .*, which the server had not reached/);
    t.deepEqual(store.listBranches(), []);
  }
});
