import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import pg from "pg";
import { type PostgresMajor, startPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { importBranch } from "../../src/postgres/import/import-branch.js";
import { sourceBranch } from "./support/source-branch.js";

const ORIGINS = 40;

async function restartWith(postgres: TestPostgres, settings: Record<string, string | number>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  await appendFile(join(postgres.dataDir, "postgresql.conf"), lines.join(""));
  await postgres.restart();
}

/** A commit for each of many replication origins, as that many subscriptions would write them. */
async function commitFromManyOrigins({ socketDir, port }: TestPostgres): Promise<void> {
  const client = new pg.Client({ host: socketDir, port, user: "postgres", database: "postgres" });
  await client.connect();
  for (let i = 1; i <= ORIGINS; i++) {
    await client.query(
      `select pg_replication_origin_create('o${i}'), pg_replication_origin_session_setup('o${i}')`,
    );
    await client.query(
      `begin; select pg_replication_origin_xact_setup('0/${i}', now()); insert into t values (-${i}, 'origin'); commit`,
    );
    await client.query("select pg_replication_origin_session_reset()");
  }
  await client.end();
}

for (const major of [14, 15, 16, 17, 18] satisfies PostgresMajor[]) {
  test.serial(
    `what recovery of ${major} needs was raised and lowered after the base backup, and is there`,
    async (t) => {
      const settings = { wal_keep_size: "1GB", max_replication_slots: "10" };
      const source = await sourceBranch({ major, settings });
      t.teardown(source.remove);
      const { postgres, repository } = source;
      const origins = major >= 18 ? "max_active_replication_origins" : "max_replication_slots";
      await restartWith(postgres, {
        max_prepared_transactions: 20,
        max_connections: 150,
        max_worker_processes: 21,
        max_wal_senders: 31,
        max_locks_per_transaction: 120,
        track_commit_timestamp: "on",
        [origins]: ORIGINS + 10,
      });
      for (let i = 0; i < 12; i++)
        await postgres.query(
          `begin; insert into t values (${-100 - i}, 'pending'); prepare transaction 'p${i}'`,
        );
      await commitFromManyOrigins(postgres);
      await postgres.query("insert into t values (5000, 'stamped')");
      const stamp = "select pg_xact_commit_timestamp(xmin) from t where id = 5000";
      const stamped = await postgres.query(stamp);
      await restartWith(postgres, { max_connections: 50, max_wal_senders: 5, max_locks_per_transaction: 64 });
      await importBranch({ store: repository.store, branch: "main", uri: postgres.uri });
      const branch = repository.store.requireBranch("main");
      t.true(branch.head.lsn > source.branch.head.lsn);

      for (const keepConfig of [false, true]) {
        const directory = join(source.exports, `copy-${keepConfig}`);
        const { notes } = await exportBranch({ store: repository.store, branch, directory, keepConfig });
        t.regex(notes.join("\n"), /max_connections = 150/);
        const copy = await startPostgres(directory, major);
        t.teardown(copy.remove);
        const names = [
          "max_prepared_transactions",
          "max_connections",
          "max_worker_processes",
          "max_wal_senders",
        ];
        const values = await Promise.all(names.map((name) => copy.query(`show ${name}`)));
        t.deepEqual(values.flat(2), ["20", "150", "21", "31"]);
        t.deepEqual(await copy.query("show max_locks_per_transaction"), [["120"]]);
        t.deepEqual(await copy.query("select count(*) from pg_prepared_xacts"), [["12"]]);
        t.deepEqual(await copy.query("select count(*) from pg_replication_origin_status"), [
          [String(ORIGINS)],
        ]);
        await copy.query("commit prepared 'p0'");
        t.deepEqual(await copy.query("select count(*) from t where id < 0"), [[String(ORIGINS + 1)]]);
        t.deepEqual(await copy.query(stamp), stamped);
        await copy.stop();
      }
    },
  );
}
