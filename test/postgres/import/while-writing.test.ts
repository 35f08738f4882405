import test, { type ExecutionContext } from "ava";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import {
  type CreateOptions,
  createPostgres,
  POSTGRES_MAJORS,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { gatedStore } from "./gated-store.js";
import { openStore } from "./open-store.js";
import { faultsOf, readBranch } from "./read-branch.js";

/** What happens to a server around its import, and with which one. */
interface Story extends Omit<CreateOptions, "major"> {
  readonly major?: CreateOptions["major"];
  /** Before the import. */
  before?(server: TestPostgres): Promise<unknown>;
  /** After `frames` frames of the base backup; no other is taken before it has resolved. */
  during(server: TestPostgres): Promise<unknown>;
  readonly frames?: number;
}

/** Imports a server while something happens to it. Returns what the branch holds, which is found to be without faults. */
async function importWhile(t: ExecutionContext, { before, during, frames = 3, ...options }: Story) {
  const server = await createPostgres({ major: 15, ...options });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  await before?.(server);
  const { branch } = await importCluster({
    store: gatedStore(store, frames, () => during(server)),
    branch: "main",
    uri: server.uri,
  });
  const content = await readBranch(store, branch);
  t.deepEqual(faultsOf(branch, content), []);
  return content;
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: what is written, created, dropped and truncated during the base backup is in the WAL`, async (t) => {
    const content = await importWhile(t, {
      major,
      async before(server) {
        await server.query("create table kept as select generate_series(1, 50000) as a");
        await server.query("create table truncated as select generate_series(1, 50000) as a");
        await server.query("create table dropped as select generate_series(1, 50000) as a");
      },
      async during(server) {
        await server.query("insert into kept select generate_series(1, 50000); update kept set a = a + 1");
        await server.query("truncate truncated");
        await server.query("drop table dropped");
        await server.query("create table created as select generate_series(1, 1000) as a");
        await server.query("create database another");
        await server.query("select pg_logical_emit_message(true, 'a test', 'said during the backup')");
      },
    });
    t.true(content.wal.includes("said during the backup"));
    t.true(content.of("wal").length > 1, "WAL came in one piece: nothing was written during the backup");
    t.true(content.of("pageImages").every(({ value }) => value.pages.length === value.blocks.length * 8192));
  });
}

test("checkpoints and segment switches during the base backup lose no WAL", async (t) => {
  await importWhile(t, {
    initdb: ["--wal-segsize=1"],
    settings: {
      max_wal_size: "2MB",
      min_wal_size: "2MB",
      wal_keep_size: "0",
      checkpoint_timeout: "30s",
    },
    async during(server) {
      for (let i = 0; i < 8; i++) {
        await server.query(`create table t${i} as select generate_series(1, 20000) as a`);
        await server.query("select pg_switch_wal()");
        await server.query("checkpoint");
      }
    },
  });
});

test("a WAL record larger than a frame spans frames, and the head stands behind it", async (t) => {
  const content = await importWhile(t, {
    during: (server) =>
      server.query("select pg_logical_emit_message(true, 'a test', repeat('large', 1000000) || 'end of it')"),
  });
  t.true(
    content.frames.filter(({ kind, startLsn, endLsn }) => kind === 3 && startLsn === endLsn).length >= 3,
  );
  t.true(content.wal.includes("end of it"));
});

test("a server that cuts off silent standbys waits for an import that the store holds back", async (t) => {
  await importWhile(t, {
    settings: { wal_sender_timeout: "3s" },
    async during(server) {
      // More than a frame: the WAL stream is held back too.
      await server.query("create table t as select g, md5(g::text) from generate_series(1, 60000) g");
      await new Promise((resolve) => setTimeout(resolve, 7_000));
    },
  });
});

test("an unlogged table that is created during the base backup leaves no pages", async (t) => {
  let node = 0;
  const content = await importWhile(t, {
    frames: 1,
    async during(server) {
      await server.query(
        "create unlogged table unlogged as select generate_series(1, 5000) as a; checkpoint",
      );
      node = Number((await server.query("select pg_relation_filenode('unlogged')"))[0]?.[0]);
    },
  });
  const main = content.of("pageImages").filter(({ value }) => {
    return value.relation?.relationNumber === node && value.relation.fork === RelationForkName.MAIN;
  });
  t.true(node > 0);
  t.deepEqual(main, []);
});
