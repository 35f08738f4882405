import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { NeonError } from "../../../src/errors.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import { verifyBranch } from "../../support/verify-branch.js";
import { appendFixture, rowsOf } from "./append-fixture.js";

for (const major of [14, 15, 18] as const) {
  test(`${major}: a branch ends before WAL that was written with wal_level=minimal, and a new one begins behind it`, async (t) => {
    const { store, create, append, boot } = await appendFixture(t);
    const server = await create({ major, settings: { wal_keep_size: "256MB" } });
    const set = (lines: string) => appendFile(join(server.dataDir, "postgresql.conf"), `${lines}\n`);
    await server.query("create table t (a int)");
    await server.query("insert into t values (1)");
    const { branch: before } = await append("main", server);
    await server.query("insert into t values (2)");
    await set("wal_level = minimal\nmax_wal_senders = 0");
    await server.restart();
    await server.query("insert into t values (3)");
    await set("wal_level = logical\nmax_wal_senders = 10");
    await server.restart();
    await server.query("insert into t values (4)");

    let head: bigint | undefined;
    for (const follow of [false, true, false]) {
      const options = { store, branch: "main", uri: server.uri, follow };
      const error = await t.throwsAsync(importBranch(options), { instanceOf: NeonError });
      t.is(error.code, "object_not_in_prerequisite_state");
      t.regex(error.message, /wal_level=minimal/);
      const main = store.requireBranch("main");
      head ??= main.head.lsn;
      t.is(main.head.lsn, head);
      t.true(head > before.head.lsn, "what is before it was appended");
      t.regex(
        error.hint ?? "",
        /^Branch "main" stays at [\dA-F/]+, before it\..* neon import NEW-NAME URI\.$/,
      );
    }
    const main = store.requireBranch("main");
    t.is((await verifyBranch({ store, branch: main })).damage, undefined);
    t.is(await rowsOf(await boot("main")), "1 2");

    const { branch: fresh } = await append("fresh", server);
    t.is((await verifyBranch({ store, branch: fresh })).damage, undefined);
    await server.query("insert into t values (5)");
    await append("fresh", server);
    t.is(await rowsOf(await boot("fresh")), "1 2 3 4 5");
  });
}
