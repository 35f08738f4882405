import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { acquirePidFile } from "../../src/server/pid-file.js";
import { acquireLock } from "../../src/server/repository-lock.js";

const LOCK = new URL("../../src/server/repository-lock.js", import.meta.url).href;

async function scratch(t: { teardown(work: () => Promise<void>): void }): Promise<string> {
  const directory = await createTemporaryDirectory("neon-lock-");
  t.teardown(() => directory.remove());
  return directory.path;
}

test("a repository has one holder, until it is released", async (t) => {
  const directory = await scratch(t);
  const lock = await acquireLock(directory);
  await t.throwsAsync(acquireLock(directory), { code: "object_in_use" });
  await t.throwsAsync(acquireLock(`${directory}/../${directory.split("/").pop()}`), {
    code: "object_in_use",
  });
  await lock.release();
  await (await acquireLock(directory)).release();
});

test("repositories are held apart", async (t) => {
  const locks = [await acquireLock(await scratch(t)), await acquireLock(await scratch(t))];
  for (const lock of locks) await t.notThrowsAsync(lock.release());
});

test("a missing directory cannot be held", async (t) => {
  await t.throwsAsync(acquireLock(join(await scratch(t), "none")), { code: "undefined_file" });
});

test("the lock of a process that is killed goes with it", async (t) => {
  const directory = await scratch(t);
  const program = `
    const { acquireLock } = await import(process.argv[1]);
    await acquireLock(process.argv[2]);
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, LOCK, directory]);
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  await t.throwsAsync(acquireLock(directory), { code: "object_in_use" });
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await acquireLock(directory)).release();
  t.pass();
});

test("a pid file has one holder, until it is given back", async (t) => {
  const path = join(await scratch(t), "pid");
  const release = await acquirePidFile(path);
  t.is(await acquirePidFile(path), undefined);
  await release?.();
  const again = await acquirePidFile(path);
  t.not(again, undefined);
  await again?.();
  t.deepEqual(await readdir(join(path, "..")), []);
});

test("of many takers of a pid file one gets it", async (t) => {
  const path = join(await scratch(t), "pid");
  const takers = await Promise.all(Array.from({ length: 10 }, () => acquirePidFile(path)));
  t.is(takers.filter((release) => release !== undefined).length, 1);
});

for (const left of ["", "no number\n", "999999999\n"]) {
  test(`a pid file left with ${JSON.stringify(left)} is taken over`, async (t) => {
    const path = join(await scratch(t), "pid");
    await writeFile(path, left);
    t.not(await acquirePidFile(path), undefined);
  });
}
