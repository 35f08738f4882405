import { open, readdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../src/errors.js";
import { initRepository, storePath } from "../../src/server/config.js";
import { PageServer } from "../../src/server/page-server.js";
import { Store } from "../../src/timeline/store.js";
import { temporaryStore, writeChain } from "../support/temporary-store.js";

const PAGE = 4096;

const DAMAGES: Record<string, (path: string) => Promise<void>> = {
  "its first meta page is zeroed": (path) => zero(path, 0, PAGE),
  "its second meta page is zeroed": (path) => zero(path, PAGE, PAGE),
  "both meta pages are zeroed": (path) => zero(path, 0, 2 * PAGE),
  "every page behind the meta pages is zeroed": (path) => zero(path, 2 * PAGE, 100 * PAGE),
  "it ends inside its second meta page": (path) => truncate(path, PAGE + 100),
  "it ends behind its meta pages": (path) => truncate(path, 2 * PAGE),
  "it is missing though there are segments": (path) => rm(path),
  "it is empty though there are segments": (path) => truncate(path, 0),
};

async function zero(path: string, offset: number, length: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    await file.write(Buffer.alloc(Math.min(length, size - offset)), 0, undefined, offset);
  } finally {
    await file.close();
  }
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`an index is refused with a hint where ${name}, and nothing is deleted`, async (t) => {
    const temporary = await temporaryStore();
    t.teardown(() => rm(join(temporary.path, ".."), { recursive: true }));
    await temporary.store.createBranch("main", await writeChain(temporary.store));
    await temporary.store.close();
    await damage(join(temporary.path, "refs", "data.mdb"));
    const error = await t.throwsAsync<NeonError>(Store.open(temporary.path));
    t.is(error?.code, "data_corrupted");
    t.regex(error?.message ?? "", /^the index of the store is (damaged|missing)\b.* \(.*refs/);
    t.regex(error?.hint ?? "", /neon repair --rebuild-index/);
    t.is((await readdir(join(temporary.path, "segments"))).length, 1);
  });
}

test("a repository that has lost its store is an error, not an empty one", async (t) => {
  const temporary = await createTemporaryDirectory("neon-lost-");
  t.teardown(temporary.remove);
  const directory = await initRepository(temporary.path, { listen: "127.0.0.1:0" });
  await (await PageServer.start({ directory, listen: false })).close();
  await rm(storePath(directory), { recursive: true });
  const error = await t.throwsAsync<NeonError>(PageServer.start({ directory, listen: false }));
  t.is(error?.code, "undefined_file");
  t.regex(error?.message ?? "", /has lost its store: .*store is missing$/);
  t.deepEqual(
    (await readdir(directory)).filter((name) => name === "store"),
    [],
  );
});

test("an index that the disk changes beneath an open store is noticed, and nothing is freed by it", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(() => rm(join(temporary.path, ".."), { recursive: true }));
  const { store, path } = temporary;
  await store.createBranch("main", await writeChain(store));
  await store.createBranch("other", await writeChain(store));
  const file = join(path, "refs", "data.mdb");
  const bytes = await readFile(file);
  const handle = await open(file, "r+");
  for (let at = bytes.indexOf("main"); at !== -1; at = bytes.indexOf("main", at + 1))
    await handle.write("mayn", at);
  await handle.close();
  const told = { code: "data_corrupted", message: /^the index of the store is damaged: / };
  t.throws(() => store.checkIndex(), told);
  t.throws(() => store.listBranches(), told);
  await t.throwsAsync(store.collectGarbage(true), told);
  await t.throwsAsync(store.deleteBranch("mayn"), told);
  await store.close();
  t.is((await readdir(join(path, "segments"))).length, 2);
});
