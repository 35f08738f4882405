import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { storePath } from "../../src/server/config.js";
import { Store } from "../../src/timeline/store.js";
import { importedBranch } from "../support/wal-chain.js";
import { neon, temporaryRepository } from "./support/neon.js";

test.serial("a repository whose index is damaged is refused, and repaired by name", async (t) => {
  const directory = await temporaryRepository(t);
  const store = await Store.open(storePath(join(directory, ".neon")));
  const { branch } = await importedBranch(store, "main");
  await store.close();
  const file = await open(join(directory, ".neon/store/refs/data.mdb"), "r+");
  await file.write(Buffer.alloc(8), 0, 8, 20);
  await file.close();

  const refused = await neon(directory, "branch", "list");
  t.is(refused.status, 1);
  t.regex(refused.stderr, /index of the store is damaged.*\n.*neon repair --rebuild-index/s);
  t.is((await neon(directory, "repair")).status, 2);
  const shown = await neon(directory, "repair", "--rebuild-index", "--dry-run");
  t.regex(shown.stdout, /^main .*from the old index.*\nWould have found 1 branch; nothing was written\n/ms);
  t.is((await neon(directory, "branch", "list")).status, 1);

  const repaired = await neon(directory, "repair", "--rebuild-index", "--json");
  const [found] = JSON.parse(repaired.stdout).branches;
  t.like(found, { branch: "main", named: true, digest: branch.head.digest.toString("hex") });
  t.regex((await neon(directory, "branch", "list")).stdout, /^main /m);
});

test.serial("no index is rebuilt beneath a page server", async (t) => {
  const directory = await temporaryRepository(t);
  t.is((await neon(directory, "start")).status, 0);
  const refused = await neon(directory, "repair", "--rebuild-index");
  t.regex(refused.stderr, /another process serves the repository/);
  t.is((await neon(directory, "stop")).status, 0);
});

test.serial(
  "a cluster is found again from the segments alone, and a stock Postgres reads all of it",
  async (t) => {
    const postgres = await createPostgres({ major: 15 });
    t.teardown(() => postgres.remove());
    await postgres.query("create table t as select i, md5(i::text) from generate_series(1, 3000) i");
    const [directory, there] = [await temporaryRepository(t), await temporaryRepository(t)];
    const done = async (where: string, ...words: string[]) => {
      const { status, stdout, stderr } = await neon(where, ...words);
      t.is(status, 0, stderr);
      return stdout;
    };
    await done(directory, "import", "main", postgres.uri);
    await postgres.query("insert into t select i, md5(i::text) from generate_series(3001, 4000) i");
    await done(directory, "import", "main", postgres.uri);
    await rm(join(directory, ".neon/store/refs"), { recursive: true });
    t.is((await neon(directory, "verify")).status, 1);

    const { branches } = JSON.parse(await done(directory, "repair", "--rebuild-index", "--json"));
    t.is(branches.length, 1);
    await done(directory, "branch", "rename", branches[0].branch, "main");
    t.regex(await done(directory, "verify", "main", "--boot"), /^main: ok .*, proven by PostgreSQL 15/);
    // It goes on: with the same Postgres, and to another page server.
    await postgres.query("insert into t select i, md5(i::text) from generate_series(4001, 5000) i");
    t.regex(await done(directory, "import", "main", postgres.uri), /^Appended to main/);
    const { listen } = JSON.parse(await done(there, "start", "--json"));
    await done(directory, "push", "main", `postgresql://${listen}/`);
    t.regex(await done(there, "verify"), /^main: ok /);
  },
);
