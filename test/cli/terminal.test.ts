import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { hungPostgres, MAIN, neon, served, spawnNeon, temporaryRepository } from "./support/neon.js";

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !(await done()); i++) {
    if (i > 600) throw new Error("nothing happened");
    await sleep(50);
  }
}

async function headOf(directory: string): Promise<string> {
  const { stdout } = await neon(directory, "branch", "list", "--json");
  return String(JSON.parse(stdout || "[]")[0]?.head?.lsn ?? "");
}

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  return stat !== "" && !/^\d+ \(.*\) [ZX]/s.test(stat);
}

for (const [signal, status] of [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test.serial(`${signal} cancels a command, which says so and ends with status ${status}`, async (t) => {
    const directory = await temporaryRepository(t);
    const { uri, connected } = await hungPostgres(t);
    const { child, outcome } = spawnNeon(directory, "import", "main", uri);
    await connected;
    child.kill(signal);
    if (signal === "SIGHUP") child.kill(signal); // shell and kernel both send it when a terminal is closed
    const { status: ended, stderr } = await outcome;
    t.is(ended, status);
    t.regex(stderr, /^neon: canceled\nhint: /);
  });
}

test.serial(
  "a following command whose terminal is gone without a word goes on, and ends when told to",
  async (t) => {
    const postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
    t.teardown(() => postgres.remove());
    const directory = await temporaryRepository(t);
    const command = `setsid '${process.execPath}' '${MAIN}' import main '${postgres.uri}' --follow & echo $! > pid; wait`;
    const terminal = spawn("script", ["-qfc", command, "/dev/null"], { cwd: directory, stdio: "ignore" });
    const pid = async () => Number(await readFile(join(directory, "pid"), "utf8").catch(() => "0"));
    t.teardown(async () => {
      const left = await pid();
      if (left > 0 && (await isRunning(left))) process.kill(left, "SIGKILL");
    });
    await served(directory);
    await until(async () => (await headOf(directory)) !== "");
    const imported = await headOf(directory);
    terminal.kill("SIGKILL");

    for (let i = 0; i < 5; i++) {
      await postgres.query(`create table t${i} as select generate_series(1, 10000) as a`);
      await sleep(300); // for its line of progress, which nobody can read any more
    }
    await until(async () => (await headOf(directory)) !== imported);
    t.true(await isRunning(await pid()));
    process.kill(await pid(), "SIGTERM");
    await until(async () => !(await isRunning(await pid())));
  },
);
