import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createPostgres } from "../../../scripts/support/postgres.js";
import { postgresBinaries } from "../../../scripts/support/postgres-binaries.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { NeonError } from "../../../src/errors.js";
import { bootBranch, TrialError } from "../../../src/postgres/boot/boot-branch.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { editBranch } from "../../interop/support/edit-branch.js";
import { verifyBranch } from "../../support/verify-branch.js";
import { openStore } from "../import/open-store.js";

interface Fixture {
  readonly store: Store;
  readonly branch: Branch;
  /** The repository's directory. */
  readonly directory: string;
  /** File node number of the table t. */
  readonly node: number;
}

async function fixture(t: ExecutionContext, major: 15 | 18): Promise<Fixture> {
  // A search for programs that finds those of the tests first, whatever is installed.
  process.env.NEON_POSTGRES_BIN = [postgresBinaries(15), postgresBinaries(18)].join(":");
  const initdb = major === 18 ? ["--no-data-checksums"] : [];
  const server = await createPostgres({ major, initdb, settings: { fsync: "off", autovacuum: "off" } });
  t.teardown(() => server.remove());
  await server.query("create table t as select i, md5(i::text) from generate_series(1, 4321) i");
  await server.query('create database "an ""odd"" name"');
  const [[node]] = (await server.query("select pg_relation_filenode('t')")) as [[string]];
  const store = await openStore(t);
  const { branch } = await importCluster({ store, branch: "main", uri: server.uri });
  const { path, remove } = await createTemporaryDirectory("neon-boots-");
  t.teardown(remove);
  return { store, branch, directory: path, node: Number(node) };
}

/** Scratch directories of a repository, and servers on them. */
function leftovers(directory: string): string[] {
  // As root Postgres runs as somebody else, who gets at no directory of root's.
  const mark = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  const parents = [directory, "/var/tmp"];
  const paths = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)));
  const { stdout } = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" });
  const ours = (text: string) => text.includes(`neon-boot-${mark}`) || text.includes(`${directory}/boot-`);
  return [...paths, ...stdout.split("\n")].filter(ours);
}

for (const major of [15, 18] as const) {
  test.serial(
    `${major}: a branch is proved by a stock Postgres that recovers and reads it, and nothing stays`,
    async (t) => {
      const { store, branch, directory } = await fixture(t, major);
      const phases: string[] = [];
      const { rows, ...result } = await bootBranch({
        store,
        branch,
        directory,
        onProgress: ({ phase }) => void phases.push(phase),
      });
      t.regex(result.serverVersion, new RegExp(`^${major}\\.`));
      t.is(result.databases, 3); // postgres, template1, and the odd one
      t.true(result.tables > 150 && rows > 4321n, `${result.tables} tables, ${rows} rows`);
      t.true(phases.includes("main: reading postgres.public.t"));
      t.deepEqual(leftovers(directory), []);
    },
  );
}

test.serial(
  "what verify cannot see Postgres does: a page that is none, where there are no checksums",
  async (t) => {
    const { store, branch, directory, node } = await fixture(t, 18);
    const edited = await editBranch(store, branch, {
      records(whole) {
        const { record } = whole;
        const isTable = record.case === "pageImages" && record.value.relation?.relationNumber === node;
        if (isTable && record.value.relation?.fork === RelationForkName.MAIN)
          record.value.pages.fill(0x5a, 8, 40);
        return [whole];
      },
    });
    t.is((await verifyBranch({ store, branch: edited })).damage, undefined);
    const error = await t.throwsAsync(bootBranch({ store, branch: edited, directory }), {
      instanceOf: TrialError,
    });
    t.regex(error.message, /public\.t.*invalid page|invalid page.*public\.t/);
    t.deepEqual(leftovers(directory), []);
  },
);

test.serial("what the server's log says of a branch that it does not recover is told", async (t) => {
  const { store, branch, directory } = await fixture(t, 15);
  const edited = await editBranch(store, branch, {
    // The clog: verify does not look into it, and Postgres cannot do without.
    records: (whole) =>
      whole.record.case === "filePiece" &&
      Buffer.from(whole.record.value.path).toString().startsWith("pg_xact/")
        ? []
        : [whole],
  });
  t.is((await verifyBranch({ store, branch: edited })).damage, undefined);
  const error = await t.throwsAsync(bootBranch({ store, branch: edited, directory }), {
    instanceOf: TrialError,
  });
  t.regex(error.message, /pg_xact|transaction/);
  t.deepEqual(leftovers(directory), []);
});

for (const phase of ["export", "sync", "main: recovery", "main: reading"]) {
  test.serial(`an end that is asked for leaves no server and no directory: ${phase}`, async (t) => {
    const { store, branch, directory } = await fixture(t, 15);
    const canceling = new AbortController();
    const reason = new NeonError("query_canceled", "enough");
    const onProgress = (step: { phase: string }) => {
      if (step.phase.startsWith(phase)) canceling.abort(reason);
    };
    const boot = bootBranch({ store, branch, directory, signal: canceling.signal, onProgress });
    const error = await t.throwsAsync(boot, { instanceOf: NeonError });
    t.is(error.code, "query_canceled");
    t.deepEqual(leftovers(directory), []);
  });
}

test.serial(
  "without that Postgres nothing is tried, and the programs that were missing are named",
  async (t) => {
    const { store, branch, directory } = await fixture(t, 18);
    const { PATH } = process.env;
    t.teardown(() => {
      process.env.PATH = PATH;
    });
    process.env.NEON_POSTGRES_BIN = dirname(process.execPath);
    process.env.PATH = "/usr/bin:/bin";
    const error = await t.throwsAsync(bootBranch({ store, branch, directory }), { instanceOf: NeonError });
    t.is(error.code, "undefined_file");
    t.regex(error.message, /no PostgreSQL 18 was found/);
    t.regex(error.hint ?? "", /NEON_POSTGRES_BIN/);
  },
);
