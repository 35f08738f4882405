import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { storePath } from "../../src/server/config.js";
import { Store } from "../../src/timeline/store.js";
import { neon, spawnNeon, temporaryRepository } from "../cli/support/neon.js";
import { writeChain } from "../support/temporary-store.js";
import { eventually, startServer } from "./support/repository.js";
import { strace } from "./support/strace.js";

const STRACE = findTool("strace");
const traced = STRACE === undefined ? test.skip : test;

/** Which calls fail, of those that LMDB makes to commit: its pages, their sync, its meta page. */
const FAILURES: Record<string, string[]> = {
  "a page": ["-e", "inject=pwrite64,pwritev:error=EIO:when=1+"],
  "the sync of the pages": ["-e", "inject=fdatasync:error=EIO:when=1+"],
  "a later page": ["-e", "inject=pwrite64:error=EIO:when=2+"],
};

for (const [what, inject] of Object.entries(FAILURES)) {
  traced(`a page server whose disk does not take ${what} of the index ends and says why`, async (t) => {
    const [here, there] = [await temporaryRepository(t), await temporaryRepository(t)];
    const store = await Store.open(storePath(join(here, ".neon")));
    await store.createBranch("main", await writeChain(store));
    await store.close();
    const { pid } = await startServer(here);
    const { port } = await startServer(there);
    const following = spawnNeon(
      here,
      "push",
      "main",
      `postgresql://127.0.0.1:${port}/`,
      "--follow",
      "--json",
    );
    t.true(
      await eventually(async () => (await neon(there, "branch", "list", "--json")).stdout.includes("main")),
    );

    const index = join(here, ".neon", "store", "refs", "data.mdb");
    await strace(t, STRACE ?? "", pid, "-P", index, ...inject);
    const { status, stderr } = await neon(here, "branch", "create", "dev", "main", "--json");
    t.is(status, 1, stderr);
    const { error } = JSON.parse(stderr);
    t.is(error.sqlstate, "58030", stderr);
    t.regex(error.hint, /disk/);
    const waiting = await following.outcome;
    t.is(waiting.status, 1);
    t.regex(waiting.stderr, /"sqlstate":"58030".*disk/);
    t.true(await eventually(async () => !isAlive(pid)), "it has ended");
    const log = await readFile(join(here, ".neon", "log"), "utf8");
    t.regex(log, /the index of the store cannot be written: .*page server cannot go on/);
    t.regex(log, /the page server ends with an error/);

    t.is((await neon(here, "branch", "create", "dev", "main")).status, 0);
    const { stdout } = await neon(here, "branch", "list", "--json");
    t.deepEqual(
      JSON.parse(stdout).map(({ name }: { name: string }) => name),
      ["dev", "main"],
    );
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
