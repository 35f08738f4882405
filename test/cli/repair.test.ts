import { open } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
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
