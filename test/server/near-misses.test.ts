import test from "ava";
import type { NeonError } from "../../src/errors.js";
import { temporaryServer } from "../support/temporary-server.js";

const SQL = [
  "select 1",
  `SELECT n.nspname as "Schema", 'a''b' FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','') ORDER BY 1,2;`,
  "-- who is there\nselect version(); select 2",
  "/* ping */ SHOW server_version",
  "insert into t values ('x'';'",
  "with a as (select 1) select * from a",
];

test("SQL is answered with what a page server has instead, whatever its quotes and semicolons", async (t) => {
  const server = await temporaryServer();
  t.teardown(() => server.remove());
  const connection = await server.connect();
  t.teardown(() => connection.close());
  for (const text of SQL) {
    const error = (await t.throwsAsync(() => connection.query(text), undefined, text)) as NeonError;
    t.is(error.sqlstate, "42883");
    t.is(error.message, "this is a neon page server: it has commands, not SQL");
  }
  const misspelt = (await t.throwsAsync(() => connection.query("branch_lsit 'x"))) as NeonError;
  t.regex(misspelt.hint ?? "", /Perhaps you meant "branch_list"/);
  for (const text of ["-- ping", "/* ping */;"]) await t.notThrowsAsync(() => connection.query(text), text);
});

test("a branch, an origin and a user that are misspelt are not there, and the hint names the near one", async (t) => {
  const server = await temporaryServer({ branches: ["main", "feature"] });
  t.teardown(() => server.remove());
  const connection = await server.connect();
  t.teardown(() => connection.close());
  await connection.query("origin_add cloud postgresql://127.0.0.1:1/");
  for (const [command, hint] of [
    ["branch_show mian", /^Did you mean "main"\? neon branch list/],
    ["branch_delete featrue", /^Did you mean "feature"\? /],
    ["branch_create dev mai", /^Did you mean "main"\? /],
    ["branch_show other", /^neon branch list/],
    ["perform_push main cluod", /^Did you mean "cloud"\? neon origin list/],
    ["origin_remove clou", /^Did you mean "cloud"\? /],
  ] as const) {
    const error = (await t.throwsAsync(() => connection.query(command), undefined, command)) as NeonError;
    t.is(error.sqlstate, "42704", command);
    t.regex(error.hint ?? "", hint, command);
  }
});
