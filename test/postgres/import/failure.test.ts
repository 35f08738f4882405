import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import {
  createPostgres,
  POSTGRES_MAJORS,
  type PostgresMajor,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import type { NeonError } from "../../../src/errors.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { temporaryStore, writeChain } from "../../support/temporary-store.js";
import { gatedStore } from "./gated-store.js";
import { faultsOf, readBranch } from "./read-branch.js";

async function setUp(t: ExecutionContext, major: PostgresMajor = 15) {
  const server = await createPostgres({ major });
  t.teardown(() => server.remove());
  const { store, path, remove } = await temporaryStore();
  t.teardown(remove);
  return { server, store, segments: () => readdir(join(path, "segments")) };
}

/** Slots go when the server notices: within seconds, not at once. */
async function slotsAreGone(server: TestPostgres): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if ((await server.query("select * from pg_replication_slots")).length === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: an import that is aborted in the middle leaves no branch, no file and no slot`, async (t) => {
    const { server, store, segments } = await setUp(t, major);
    const { signal, abort } = abortable();
    let slots: string[][] = [];
    const during = async () => {
      slots = await server.query("select temporary::text, active::text from pg_replication_slots");
      abort();
    };
    await t.throwsAsync(
      importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri, signal }),
      {
        code: "query_canceled",
      },
    );
    t.deepEqual(slots, [["true", "true"]]);
    t.deepEqual(store.listBranches(), []);
    t.deepEqual(await segments(), []);
    t.true(await slotsAreGone(server));
  });
}

test("an import that is aborted before it begins asks nothing of the server", async (t) => {
  const { server, store } = await setUp(t);
  await t.throwsAsync(
    importCluster({ store, branch: "main", uri: server.uri, signal: AbortSignal.abort() }),
    {
      code: "query_canceled",
    },
  );
  t.deepEqual(store.listBranches(), []);
});

for (const mode of ["fast", "immediate"] as const) {
  test(`a server that is stopped in the middle (${mode}) leaves nothing`, async (t) => {
    const { server, store, segments } = await setUp(t);
    const during = () => server.stop(mode);
    const error = await t.throwsAsync<Error & { sqlstate: string; hint: string }>(
      importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri }),
    );
    t.true(["08006", "57P01", "57P02"].includes(error?.sqlstate ?? ""), error?.sqlstate);
    t.regex(error?.hint ?? "", /import again/);
    t.deepEqual(store.listBranches(), []);
    t.deepEqual(await segments(), []);
  });
}

test("a WAL sender that is terminated in the middle leaves nothing", async (t) => {
  const { server, store, segments } = await setUp(t);
  const during = () =>
    server.query(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null",
    );
  const error = await t.throwsAsync<Error & { sqlstate: string; hint: string }>(
    importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri }),
  );
  t.true(["08006", "57P01"].includes(error?.sqlstate ?? ""), error?.sqlstate);
  t.truthy(error?.hint);
  t.deepEqual(store.listBranches(), []);
  t.deepEqual(await segments(), []);
  t.true(await slotsAreGone(server));
});

test("an import whose name is taken meanwhile is kept under another name, and the other branch stays", async (t) => {
  const { server, store } = await setUp(t);
  const during = async () => {
    await store.createBranch("main", await writeChain(store));
  };
  const error = await t.throwsAsync<NeonError>(
    importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri }),
    { code: "duplicate_object", message: /^branch "main" was created meanwhile/ },
  );
  t.is(store.requireBranch("main").start.systemIdentifier, 7n);
  const [, kept] = /neon branch rename (\S+) NEW-NAME/.exec(error?.hint ?? "") ?? [];
  const branch = store.requireBranch(kept);
  t.deepEqual(faultsOf(branch, await readBranch(store, branch)), []);
  t.true(await slotsAreGone(server));
});

test("a store that fails to write ends the import, and leaves nothing", async (t) => {
  const { server, store, segments } = await setUp(t);
  const during = () => Promise.reject(Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" }));
  await t.throwsAsync(
    importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri }),
    {
      code: "disk_full",
    },
  );
  t.deepEqual(store.listBranches(), []);
  t.deepEqual(await segments(), []);
  t.true(await slotsAreGone(server));
});

test.serial(
  "a write that the operating system refuses ends the import as a full disk does, and leaves nothing",
  async (t) => {
    const { server, store, segments } = await setUp(t);
    const limit = (bytes: string) =>
      spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:`]);
    if (limit("unlimited").status !== 0) {
      t.pass("this system has no prlimit");
      return;
    }
    const during = async () => {
      // Node ignores SIGXFSZ: the next write beyond the limit fails with EFBIG.
      limit("1048576");
    };
    const error = await t
      .throwsAsync<Error & { sqlstate: string }>(
        importCluster({ store: gatedStore(store, 1, during), branch: "main", uri: server.uri }),
      )
      .finally(() => limit("unlimited"));
    t.is(error?.sqlstate, "53100");
    t.deepEqual(store.listBranches(), []);
    t.deepEqual(await segments(), []);
    t.true(await slotsAreGone(server));
  },
);

test("base and WAL frames of a failed import do not show in the next one", async (t) => {
  const { server, store } = await setUp(t);
  const { signal, abort } = abortable();
  const during = async () => abort();
  await t.throwsAsync(
    importCluster({ store: gatedStore(store, 3, during), branch: "main", uri: server.uri, signal }),
  );
  const { branch } = await importCluster({ store, branch: "main", uri: server.uri });
  let starts = 0;
  for await (const { header } of store.readFrames(branch)) if (header.kind === FrameKind.START) starts++;
  t.is(starts, 1);
});

function abortable(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
