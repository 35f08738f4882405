import test from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { tableDigests } from "../../scripts/support/table-digests.js";

test("digests show a changed row, a lost row and a changed large object, and only there", async (t) => {
  const postgres = await createPostgres({ major: 18, settings: { fsync: "off" } });
  t.teardown(() => postgres.remove());
  await postgres.query(`
    create table changed as select i, null::text from generate_series(1, 10) i;
    create table shortened as select i from generate_series(1, 10) i;
    create table "Kept as it is" as select i from generate_series(1, 10) i;
    select lo_from_bytea(4711, 'one')`);
  const before = await tableDigests(postgres);
  t.is(before.get("postgres.public.shortened")?.rows, 10);
  await postgres.query(`
    update changed set text = '' where i = 3;
    delete from shortened where i = 10;
    select lo_put(4711, 0, 'two')`);
  await postgres.query('vacuum full "Kept as it is"');
  const after = await tableDigests(postgres);
  const different = [...before.keys()].filter((name) => before.get(name)?.hash !== after.get(name)?.hash);
  t.deepEqual(different.sort(), [
    "postgres.pg_catalog.pg_largeobject",
    "postgres.public.changed",
    "postgres.public.shortened",
  ]);
  t.deepEqual([...before.keys()].sort(), [...after.keys()].sort());
});
