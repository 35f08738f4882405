import { type CreateOptions, createPostgres, type TestPostgres } from "../../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import type { Branch } from "../../../src/timeline/store.js";
import { type TemporaryStore, temporaryStore } from "../../support/temporary-store.js";

/** A cluster, and the branch that was imported of it. */
export interface SourceBranch {
  readonly postgres: TestPostgres;
  readonly repository: TemporaryStore;
  readonly branch: Branch;
  /** A directory for exports. */
  readonly exports: string;
  remove(): Promise<void>;
}

/** Makes a cluster with a table `t` of 1000 rows, lets `prepare` change it, and imports it. */
export async function sourceBranch(
  options: CreateOptions,
  prepare?: (postgres: TestPostgres) => Promise<void>,
): Promise<SourceBranch> {
  const settings = { fsync: "off", ...options.settings };
  const postgres = await createPostgres({ ...options, settings });
  await postgres.query("create table t as select i as id, md5(i::text) from generate_series(1, 1000) i");
  await prepare?.(postgres);
  const repository = await temporaryStore();
  const { branch } = await importCluster({ store: repository.store, branch: "main", uri: postgres.uri });
  const exports = await createTemporaryDirectory("neon-exports-");
  return {
    postgres,
    repository,
    branch,
    exports: exports.path,
    async remove() {
      await postgres.remove();
      await repository.remove();
      await exports.remove();
    },
  };
}
