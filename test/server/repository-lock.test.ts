import { once } from "node:events";
import { cp, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { acquireLock } from "../../src/server/repository-lock.js";
import { startHolder } from "./support/holder.js";

async function scratch(t: ExecutionContext): Promise<string> {
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
  lock.assertHeld();
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

test("however often a repository is taken and given back, it keeps two files for that", async (t) => {
  const directory = await scratch(t);
  for (let i = 0; i < 5; i++) await (await acquireLock(directory)).release();
  t.deepEqual(await readdir(directory), ["lock", "owner"]);
  t.deepEqual(await readdir(join(directory, "owner")), ["5.free"]);
});

test("the lock of a process that is killed goes with it", async (t) => {
  const directory = await scratch(t);
  const { child, said } = await startHolder(t, directory);
  t.is(said, "held");
  await t.throwsAsync(acquireLock(directory), { code: "object_in_use" });
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await acquireLock(directory)).release();
});

test("a process that is stopped keeps its lock", async (t) => {
  const directory = await scratch(t);
  const { child } = await startHolder(t, directory);
  child.kill("SIGSTOP");
  await t.throwsAsync(acquireLock(directory), { code: "object_in_use" });
});

test("of twenty processes that start at once one gets the repository, and each other one 55006", async (t) => {
  const directory = await scratch(t);
  const holders = await Promise.all(Array.from({ length: 20 }, () => startHolder(t, directory)));
  const said = holders.map((holder) => holder.said).sort();
  t.deepEqual(said, [...Array(1).fill("held"), ...said.filter((text) => text !== "held")]);
  for (const text of said.filter((other) => other !== "held")) t.regex(text, /^object_in_use: /);
  t.is(said.filter((text) => text === "held").length, 1);
  for (const holder of holders) await holder.end();
});

test("a copy of a repository that is held can be held beside it", async (t) => {
  const directory = await scratch(t);
  const lock = await acquireLock(directory);
  const copy = join(await scratch(t), "copy");
  await cp(directory, copy, { recursive: true, preserveTimestamps: true });
  const other = await acquireLock(copy);
  await t.throwsAsync(acquireLock(directory), { code: "object_in_use" });
  await t.throwsAsync(acquireLock(copy), { code: "object_in_use" });
  lock.assertHeld();
  other.assertHeld();
  await lock.release();
  await other.release();
});

/** What a process on another host writes down. */
const ELSEWHERE = {
  pid: process.pid,
  started: "1",
  pidNamespace: "pid:[4026531836]",
  boot: "5a3ad0a0-0000-0000-0000-000000000000",
  host: "elsewhere",
  directory: "/srv/neon/.neon",
  file: "1:1",
};

async function ownedElsewhere(t: ExecutionContext, record: string): Promise<string> {
  const directory = await scratch(t);
  await mkdir(join(directory, "owner"));
  await writeFile(join(directory, "owner", "7"), record);
  return directory;
}

test("an owner on another host who shows that it lives keeps the repository, and the error names it", async (t) => {
  const directory = await ownedElsewhere(t, JSON.stringify(ELSEWHERE));
  const path = join(directory, "owner", "7");
  const beat = setInterval(() => void writeFile(path, JSON.stringify(ELSEWHERE)), 2000);
  t.teardown(() => clearInterval(beat));
  await t.throwsAsync(acquireLock(directory), {
    code: "object_in_use",
    message: `the repository is in use by process ${process.pid} on host elsewhere`,
  });
  clearInterval(beat);
  await rename(path, `${path}.free`);
  await (await acquireLock(directory)).release();
});

for (const [what, record] of [
  ["an owner on another host", JSON.stringify(ELSEWHERE)],
  ["an owner that died before it had written down who it is", '{"pid":'],
] as const) {
  test(`from ${what} who shows nothing for ten seconds the repository is taken over`, async (t) => {
    const directory = await ownedElsewhere(t, record);
    const lock = await acquireLock(directory);
    lock.assertHeld();
    t.deepEqual(await readdir(join(directory, "owner")), ["8"]);
    await lock.release();
  });
}

test("an owner from whom the repository was taken notices it before it writes, and is told", async (t) => {
  const directory = await scratch(t);
  const lost = new Promise<Error>((resolve) => {
    acquireLock(directory, resolve).then(async (lock) => {
      lock.assertHeld();
      await writeFile(join(directory, "owner", "2"), JSON.stringify(ELSEWHERE));
      t.throws(() => lock.assertHeld(), { code: "object_in_use" });
      // Deleted by the other one.
      await rename(join(directory, "owner", "1"), join(directory, "gone"));
      t.throws(() => lock.assertHeld(), { code: "object_in_use" });
    });
  });
  t.like(await lost, { code: "object_in_use" });
});
