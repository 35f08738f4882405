import test from "ava";
import { createPostgres } from "../../../scripts/support/postgres.js";
import { NeonError } from "../../../src/errors.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import { toyServer } from "../../pgwire/toy-server.js";
import { importedBranch } from "../../support/wal-chain.js";
import { openStore } from "./open-store.js";

test("what a Postgres refuses names it, without the password", async (t) => {
  const server = await createPostgres({ major: 15, settings: { fsync: "off" } });
  t.teardown(() => server.remove());
  const store = await openStore(t);
  const address = `127.0.0.1:${server.port}`;
  for (const uri of [
    `postgresql://nobody:s3cret@${address}/`,
    `postgresql://nobody:s3cret@/?host=127.0.0.1&port=${server.port}`,
  ]) {
    const error = await t.throwsAsync<NeonError>(importBranch({ store, branch: "main", uri }));
    t.is(error?.message, `the Postgres at ${address}: role "nobody" does not exist`);
    t.is(error?.sqlstate, "28000");
    t.regex(error?.hint ?? "", /CREATE ROLE/);
  }
});

for (const exists of [false, true]) {
  test(`a Postgres that goes away is named, ${exists ? "of a branch that is there" : "and nothing is kept"}`, async (t) => {
    const server = await toyServer(
      t,
      async () => {
        throw new NeonError("admin_shutdown", "the end", { sqlstate: "57P01" });
      },
      { parameters: { server_version: "15.18" } },
    );
    const store = await openStore(t);
    if (exists) await importedBranch(store, "main");
    const error = await t.throwsAsync<NeonError>(importBranch({ store, branch: "main", uri: server.uri }));
    t.is(error?.message, `the Postgres at ${server.tcp}: the end`);
    t.true(error?.retryable);
    t.regex(error?.hint ?? "", exists ? /import again to go on from there/ : /import again/);
  });
}
