import type { ExecutionContext } from "ava";
import {
  type CreateOptions,
  createPostgres,
  startPostgres,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { exportBranch } from "../../../src/postgres/export/export-branch.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import type { Head } from "../../../src/timeline/head.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { openStore } from "./open-store.js";

/** A store, and clusters whose branches it keeps. */
export interface AppendFixture {
  readonly store: Store;
  create(options: CreateOptions): Promise<TestPostgres>;
  /** Boots an export of a branch. */
  boot(branch: string): Promise<TestPostgres>;
  /** Imports a cluster onto a branch, which is made if it does not exist. */
  append(
    branch: string,
    server: TestPostgres,
  ): Promise<{ branch: Branch; frames: number; startLsn: bigint | undefined }>;
  /** Makes a branch at the head of another. */
  fork(name: string, from: string, head?: Head): Promise<Branch>;
}

/** Makes a fixture that lasts as long as a test. Its clusters write no WAL on their own account for a while. */
export async function appendFixture(t: ExecutionContext): Promise<AppendFixture> {
  const store = await openStore(t);
  return {
    store,
    async create({ settings, ...options }) {
      const server = await createPostgres({
        ...options,
        settings: { fsync: "off", autovacuum: "off", ...settings },
      });
      t.teardown(() => server.remove());
      return server;
    },
    async boot(name) {
      const directory = await createTemporaryDirectory("neon-boot-");
      t.teardown(() => directory.remove());
      const branch = store.requireBranch(name);
      const path = `${directory.path}/data`;
      const { majorVersion } = await exportBranch({ store, branch, directory: path });
      const server = await startPostgres(path, majorVersion as 15, { settings: { fsync: "off" } });
      t.teardown(() => server.remove());
      return server;
    },
    append: (branch, server) => importBranch({ store, branch, uri: server.uri }),
    fork(name, from, head) {
      const source = store.requireBranch(from);
      return store.forkBranch(name, source, head ?? source.head);
    },
  };
}

/** Waits until a query answers `true`. */
export async function until(server: TestPostgres, condition: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    const [row] = await server.query(`select (${condition})::text`);
    if (row?.[0] === "true") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${condition} did not become true`);
}

/** The first column of all rows of table `t`, in order, as one text. */
export async function rowsOf(server: TestPostgres): Promise<string> {
  return (await server.query("select a from t order by a")).flat().join(" ");
}
