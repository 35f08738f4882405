import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";

const script = (name: string) => fileURLToPath(new URL(`../../scripts/${name}.js`, import.meta.url));

/** Runs a script with a temporary directory of its own, so that what it leaves behind shows. */
async function start(t: import("ava").ExecutionContext, name: string, ...words: string[]) {
  const temporary = await createTemporaryDirectory();
  t.teardown(() => temporary.remove());
  const child = spawn(process.execPath, [script(name), ...words], {
    env: { ...process.env, TMPDIR: temporary.path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      output += text;
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, exited, output: () => output, directory: temporary.path };
}

/** What is left in a directory once guards had the time that they need; binaries are kept for the next run. */
async function leftovers(directory: string): Promise<string[]> {
  const list = () => readdirSync(directory).filter((name) => !name.startsWith("neon-postgres-"));
  for (let waited = 0; waited < 15_000 && list().length > 0; waited += 200) await sleep(200);
  return list();
}

test("the demo ends with the same rows at both ends and leaves nothing behind", async (t) => {
  const demo = await start(t, "demo");
  t.is(await demo.exited, 0, demo.output());
  t.regex(demo.output(), /every table has the same rows at both ends/);
  t.notRegex(demo.output(), /DIFFERENT/);
  t.deepEqual(await leftovers(demo.directory), []);
});

test("the demo leaves nothing behind after Ctrl-C", async (t) => {
  const demo = await start(t, "demo");
  while (demo.child.exitCode === null && !/cloud: pid \d+/.test(demo.output())) await sleep(50);
  demo.child.kill("SIGINT");
  t.not(await demo.exited, 0);
  t.deepEqual(await leftovers(demo.directory), []);
  for (const [, pid] of demo.output().matchAll(/pid (\d+)/g)) t.false(existsSync(`/proc/${pid}`));
});

test("the benchmark prints one object a case", async (t) => {
  const bench = await start(t, "bench", "5", "--rounds", "1", "--json");
  t.is(await bench.exited, 0, bench.output());
  const lines = bench
    .output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.true(lines.length >= 2);
  for (const { case: name, ours, peer, ratio } of lines) {
    t.truthy(name);
    // A difference of two times can come out below zero.
    t.true(Number.isFinite(ours) && peer > 0 && Number.isFinite(ratio));
  }
  t.deepEqual(await leftovers(bench.directory), []);
});
