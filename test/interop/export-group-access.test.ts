import { statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { listFiles } from "../../scripts/support/list-files.js";
import { createPostgres, POSTGRES_MAJORS, startPostgres } from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { groupAccessMode } from "../../src/postgres/export/group-access.js";
import { importCluster } from "../../src/postgres/import/import-cluster.js";
import { temporaryStore } from "../support/temporary-store.js";

for (const major of POSTGRES_MAJORS) {
  test(`${major}: where the source's group may read, so may the export's, but for what others put there`, async (t) => {
    const settings = { fsync: "off" };
    const source = await createPostgres({ major, initdb: ["--allow-group-access"], settings });
    t.teardown(() => source.remove());
    await source.query("create table t as select generate_series(1, 100) as a");
    // As whoever runs the server: a file that its backup cannot read would be skipped.
    await source.query("copy (select 'secret') to program 'umask 077; cat > server.key'");
    const { store, remove } = await temporaryStore();
    t.teardown(remove);
    const { branch } = await importCluster({ store, branch: "main", uri: source.uri });
    t.true(branch.start.groupAccess);
    const home = await createTemporaryDirectory("neon-export-");
    t.teardown(() => home.remove());
    const directory = join(home.path, "data");
    await exportBranch({ store, branch, directory });
    const mode = (path: string) => statSync(join(directory, path)).mode & 0o777;
    for (const path of ["", "base", "global", "pg_wal", "pg_wal/archive_status", "pg_logical/snapshots"])
      t.is(mode(path), 0o750, path);
    const files = listFiles(directory, "");
    t.true(files.includes("server.key"));
    for (const path of files) t.is(mode(path), path === "server.key" ? 0o600 : 0o640, path);
    const booted = await startPostgres(directory, major, { settings });
    t.teardown(() => booted.remove());
    t.deepEqual(await booted.query("show data_directory_mode"), [["0750"]]);
    t.deepEqual(await booted.query("select count(*)::text from t"), [["100"]]);
  });
}

test("only what Postgres makes itself is for the group", (t) => {
  for (const path of [
    "base/5/1259",
    "pg_tblspc/1/PG_15_1/5/9",
    "PG_VERSION",
    "pg_hba.conf",
    "global/pg_control",
  ])
    t.is(groupAccessMode(path, "file"), 0o640, path);
  for (const path of ["server.key", "certs/server.key", "basement/key", "pg_hba.conf.bak", "a/base/x"])
    t.is(groupAccessMode(path, "file"), 0o600, path);
  t.is(groupAccessMode("certs", "directory"), 0o700);
});
