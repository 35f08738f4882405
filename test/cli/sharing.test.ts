import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { hungPostgres, neon, type Running, spawnNeon, temporaryRepository } from "./support/neon.js";

/** Starts an import that gets no further than its connection, and waits until it holds that. */
async function hungImport(t: ExecutionContext, directory: string, ...options: string[]): Promise<Running> {
  const { uri, connected } = await hungPostgres(t);
  const running = spawnNeon(directory, ...options, "import", "main", uri);
  t.teardown(() => running.child.kill("SIGKILL"));
  await connected;
  return running;
}

test.serial("a command that holds the repository serves the others as long as it runs", async (t) => {
  const directory = await temporaryRepository(t);
  const { child, outcome } = await hungImport(t, directory);
  t.deepEqual(await neon(directory, "branch", "list", "--json"), { status: 0, stdout: "[]\n", stderr: "" });
  t.is((await neon(directory, "origin", "add", "cloud", "postgresql://127.0.0.1:1/")).status, 0);

  const status = await neon(directory, "status");
  t.is(status.status, 1);
  t.regex(status.stderr, new RegExp(`^neon: no page server is running.*\nhint: .*pid ${child.pid}\\b`));
  t.is(child.exitCode, null);
  child.kill("SIGINT");
  t.is((await outcome).status, 130);
});

for (const [signal, expected] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test.serial(
    `${signal} cancels a command that runs the page server itself: status ${expected}, nothing left`,
    async (t) => {
      const directory = await temporaryRepository(t);
      const { child, outcome } = await hungImport(t, directory);
      child.kill(signal);
      const { status, stdout, stderr } = await outcome;
      t.is(status, expected);
      t.is(stdout, "");
      t.regex(stderr, /^neon: [^\n]*cancel[^\n]*\nhint: Nothing is kept of a new branch[^\n]*\n$/);
      t.is((await neon(directory, "branch", "list")).stdout, "No branches\n");
      t.is((await neon(directory, "start")).status, 0);
    },
  );
}

test.serial("Ctrl-C cancels the command at the page server, which lives on", async (t) => {
  const directory = await temporaryRepository(t);
  const { pid } = JSON.parse((await neon(directory, "start", "--json")).stdout);
  const { child, outcome } = await hungImport(t, directory, "--json");
  child.kill("SIGINT");
  const { status, stderr } = await outcome;
  t.is(status, 130);
  t.is(JSON.parse(stderr).error.sqlstate, "57014");
  t.is(JSON.parse((await neon(directory, "status", "--json")).stdout).pid, pid);
  // The name is free again: the same import runs, where a claimed one would be refused at once.
  const again = await hungImport(t, directory);
  again.child.kill("SIGINT");
  t.is((await again.outcome).status, 130);
});

test.serial("stop waits for running commands; stop --now cancels them", async (t) => {
  const directory = await temporaryRepository(t);
  await neon(directory, "start");
  const first = await hungImport(t, directory);
  const stop = spawnNeon(directory, "stop");
  if (stop.child.stderr !== null) await once(stop.child.stderr, "data"); // it says that it waits
  t.is(stop.child.exitCode, null);
  first.child.kill("SIGINT");
  const stopped = await stop.outcome;
  t.is(stopped.status, 0);
  t.is(stopped.stderr, "neon: waiting for running commands; neon stop --now cancels them\n");

  await neon(directory, "start");
  const second = await hungImport(t, directory);
  t.is((await neon(directory, "stop", "--now")).status, 0);
  const cancelled = await second.outcome;
  t.is(cancelled.status, 1);
  t.regex(cancelled.stderr, /^neon: /);
});

test.serial("commands that start at the same time all do their work, page server or not", async (t) => {
  const directory = await temporaryRepository(t);
  const names = ["a", "b", "c", "d", "e"];
  const add = (name: string) => neon(directory, "origin", "add", name, "postgresql://127.0.0.1:1/");
  for (const { status, stderr } of await Promise.all(names.map(add))) t.is(status, 0, stderr);
  const listed = JSON.parse((await neon(directory, "origin", "list", "--json")).stdout);
  t.deepEqual(
    listed.map(({ name }: { name: string }) => name),
    names,
  );
});

test.serial("after kill -9 of a command that held the repository the next one works", async (t) => {
  const directory = await temporaryRepository(t);
  const { child, outcome } = await hungImport(t, directory);
  child.kill("SIGKILL");
  await outcome;
  t.deepEqual(await neon(directory, "branch", "list", "--json"), { status: 0, stdout: "[]\n", stderr: "" });
});
