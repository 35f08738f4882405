import test from "ava";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createPostgres } from "../../../scripts/support/postgres.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { gatedStore } from "./gated-store.js";
import { openStore } from "./open-store.js";
import { faultsOf, readBranch } from "./read-branch.js";

for (const major of [14, 15, 18] as const) {
  test(`${major}: what is written, created, dropped and truncated during the base backup is in the WAL`, async (t) => {
    const server = await createPostgres({ major });
    t.teardown(() => server.remove());
    const store = await openStore(t);
    await server.query("create table kept as select generate_series(1, 50000) as a");
    await server.query("create table truncated as select generate_series(1, 50000) as a");
    await server.query("create table dropped as select generate_series(1, 50000) as a");
    const during = async () => {
      await server.query("insert into kept select generate_series(1, 50000); update kept set a = a + 1");
      await server.query("truncate truncated");
      await server.query("drop table dropped");
      await server.query("create table created as select generate_series(1, 1000) as a");
      await server.query("create database another");
      await server.query("select pg_logical_emit_message(true, 'a test', 'said during the backup')");
    };
    const { branch } = await importCluster({
      store: gatedStore(store, 3, during),
      branch: "main",
      uri: server.uri,
    });
    const content = await readBranch(store, branch);
    t.deepEqual(faultsOf(branch, content), []);
    t.true(content.wal.includes("said during the backup"));
    t.true(content.of("wal").length > 1, "WAL came in one piece: nothing was written during the backup");
    t.true(content.of("pageImages").every(({ value }) => value.pages.length === value.blocks.length * 8192));
  });
}

test("checkpoints and segment switches during the base backup lose no WAL", async (t) => {
  const settings = {
    max_wal_size: "2MB",
    min_wal_size: "2MB",
    wal_keep_size: "0",
    checkpoint_timeout: "30s",
  };
  const server = await createPostgres({ major: 15, initdb: ["--wal-segsize=1"], settings });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const during = async () => {
    for (let i = 0; i < 8; i++) {
      await server.query(`create table t${i} as select generate_series(1, 20000) as a`);
      await server.query("select pg_switch_wal()");
      await server.query("checkpoint");
    }
  };
  const { branch } = await importCluster({
    store: gatedStore(store, 3, during),
    branch: "main",
    uri: server.uri,
  });
  t.deepEqual(faultsOf(branch, await readBranch(store, branch)), []);
});

test("a WAL record larger than a frame spans frames, and the head stands behind it", async (t) => {
  const server = await createPostgres({ major: 15 });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const during = () =>
    server.query("select pg_logical_emit_message(true, 'a test', repeat('large', 1000000) || 'end of it')");
  const { branch } = await importCluster({
    store: gatedStore(store, 3, during),
    branch: "main",
    uri: server.uri,
  });
  const content = await readBranch(store, branch);
  t.deepEqual(faultsOf(branch, content), []);
  t.true(
    content.frames.filter(({ kind, startLsn, endLsn }) => kind === 3 && startLsn === endLsn).length >= 3,
  );
  t.true(content.wal.includes("end of it"));
});

test("a server that cuts off silent standbys waits for an import that the store holds back", async (t) => {
  const server = await createPostgres({ major: 15, settings: { wal_sender_timeout: "3s" } });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const during = async () => {
    // More than a frame: the WAL stream is held back too.
    await server.query("create table t as select g, md5(g::text) from generate_series(1, 60000) g");
    await new Promise((resolve) => setTimeout(resolve, 7_000));
  };
  const { branch } = await importCluster({
    store: gatedStore(store, 3, during),
    branch: "main",
    uri: server.uri,
  });
  t.deepEqual(faultsOf(branch, await readBranch(store, branch)), []);
});

test("an unlogged table that is created during the base backup leaves no pages", async (t) => {
  const server = await createPostgres({ major: 15 });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  let node = 0;
  const during = async () => {
    await server.query("create unlogged table unlogged as select generate_series(1, 5000) as a; checkpoint");
    node = Number((await server.query("select pg_relation_filenode('unlogged')"))[0]?.[0]);
  };
  const { branch } = await importCluster({
    store: gatedStore(store, 1, during),
    branch: "main",
    uri: server.uri,
  });
  const content = await readBranch(store, branch);
  t.deepEqual(faultsOf(branch, content), []);
  const main = content.of("pageImages").filter(({ value }) => {
    return value.relation?.relationNumber === node && value.relation.fork === RelationForkName.MAIN;
  });
  t.deepEqual(main, []);
});
