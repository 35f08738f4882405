import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { createPostgres, type PostgresMajor, startPostgres } from "../../scripts/support/postgres.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { sourceBranch } from "./support/source-branch.js";

/** Until `condition` holds; false if it does not within 20 seconds. */
async function eventually(condition: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await condition()) return true;
    await sleep(200);
  }
  return false;
}

for (const major of [14, 18] satisfies PostgresMajor[]) {
  test.serial(
    `a copy of a subscriber of ${major} leaves the publisher's slot alone, unless its configuration is kept`,
    async (t) => {
      const publisher = await createPostgres({ major, settings: { wal_level: "logical", fsync: "off" } });
      t.teardown(publisher.remove);
      await publisher.query("create table shop (id int primary key); create publication p for table shop");
      const source = await sourceBranch({ major }, async (postgres) => {
        await postgres.query("create table shop (id int primary key)");
        const conninfo = `host=127.0.0.1 port=${publisher.port} user=postgres dbname=postgres`;
        await postgres.query(`create subscription s connection '${conninfo}' publication p`);
        const ready = "select count(*) from pg_subscription_rel where srsubstate = 'r'";
        t.true(await eventually(async () => (await postgres.query(ready))[0]?.[0] === "1"));
      });
      t.teardown(source.remove);
      await source.postgres.stop();
      await publisher.query("insert into shop select generate_series(1, 10)");
      const isTaken = async () =>
        (await publisher.query("select active from pg_replication_slots where slot_name = 's'"))[0]?.[0] ===
        "t";

      const { store } = source.repository;
      const directory = join(source.exports, "copy");
      const { notes } = await exportBranch({ store, branch: source.branch, directory });
      t.regex(notes.join("\n"), /subscriptions do not run.*max_logical_replication_workers = 4 starts them/);
      const copy = await startPostgres(directory, major);
      t.teardown(copy.remove);
      t.deepEqual(
        await copy.query("select count(*) from pg_stat_activity where backend_type like 'logical%'"),
        [["0"]],
      );
      await sleep(2000);
      t.false(await isTaken());
      t.deepEqual(await copy.query("select count(*) from shop"), [["0"]]);
      await copy.stop();

      await source.postgres.restart();
      const arrived = async () => (await source.postgres.query("select count(*) from shop"))[0]?.[0] === "10";
      t.true(await eventually(arrived), "what was kept for the source is there for it");
      await source.postgres.stop();

      const kept = join(source.exports, "kept");
      await exportBranch({ store, branch: source.branch, directory: kept, keepConfig: true });
      const second = await startPostgres(kept, major);
      t.teardown(second.remove);
      t.true(await eventually(isTaken), "whoever keeps it gets it");
    },
  );
}
