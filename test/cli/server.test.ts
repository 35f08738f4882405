import { once } from "node:events";
import { mkdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { neon, spawnNeon, temporaryDirectory, temporaryRepository } from "./support/neon.js";

test.serial("init makes a private repository, and refuses to make it twice", async (t) => {
  const directory = await temporaryDirectory(t);
  const made = await neon(directory, "init", "--json");
  t.is(made.status, 0);
  t.deepEqual(JSON.parse(made.stdout), { repository: join(directory, ".neon"), listen: "127.0.0.1:6400" });
  t.is((await stat(join(directory, ".neon", "config.toml"))).mode & 0o777, 0o600);

  const again = await neon(directory, "init");
  t.is(again.status, 1);
  t.regex(again.stderr, /^neon: .* exists already\nhint: /);
});

test.serial("start answers only once the page server does; status describes it; stop ends it", async (t) => {
  const directory = await temporaryRepository(t);
  const started = await neon(directory, "start", "--json");
  t.is(started.status, 0, started.stderr);
  const server = JSON.parse(started.stdout);
  t.regex(server.listen, /^127\.0\.0\.1:[1-9]\d+$/);
  t.is(server.repository, join(directory, ".neon"));
  t.is(server.branches, 0);
  t.true(Date.parse(server.started_at) <= Date.now());

  const status = await neon(directory, "status", "--json");
  t.deepEqual(JSON.parse(status.stdout), { ...server, slots: [] });
  t.regex(
    (await neon(directory, "status")).stdout,
    new RegExp(`^Running: neon .*, pid ${server.pid}, 127\\.`),
  );

  const stopped = await neon(directory, "stop", "--json");
  t.is(stopped.status, 0);
  t.deepEqual(JSON.parse(stopped.stdout), { stopped: true, pid: server.pid, repository: server.repository });
  t.is((await neon(directory, "status")).status, 1);
  t.is((await neon(directory, "start")).status, 0, "the repository is free again");
});

test.serial("status and stop say so where no page server runs, and start where one does", async (t) => {
  const directory = await temporaryRepository(t);
  for (const command of ["status", "stop"]) {
    const refused = await neon(directory, command);
    t.is(refused.status, 1);
    t.is(refused.stdout, "");
    t.regex(refused.stderr, /^neon: no page server is running for .*\nhint: neon start starts one\.\n$/);
  }
  t.is((await neon(directory, "start")).status, 0);
  const again = await neon(directory, "start");
  t.is(again.status, 1);
  t.regex(again.stderr, /^neon: a page server is already running \(pid \d+, 127\.0\.0\.1:\d+\)\nhint: /);
});

test.serial("a page server in the background that cannot start says why", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const directory = await temporaryDirectory(t);
  await neon(directory, "init", "--listen", `127.0.0.1:${port}`);

  const refused = await neon(directory, "start");
  t.is(refused.status, 1);
  t.regex(refused.stderr, new RegExp(`^neon: .*\\b${port}\\b`));
  t.is((await neon(directory, "status")).status, 1);
});

test.serial("start --foreground stays until SIGTERM and ends with status 0", async (t) => {
  const directory = await temporaryRepository(t);
  const { child, outcome } = spawnNeon(directory, "start", "--foreground", "--json");
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  t.is(JSON.parse(line).pid, child.pid);
  t.is((await neon(directory, "branch", "list")).status, 0);
  child.kill("SIGTERM");
  t.is((await outcome).status, 0);
});

test.serial("after kill -9 of the page server the next command works, and the next start", async (t) => {
  const directory = await temporaryRepository(t);
  const { pid } = JSON.parse((await neon(directory, "start", "--json")).stdout);
  await neon(directory, "origin", "add", "cloud", "postgresql://127.0.0.1:1/");
  process.kill(pid, "SIGKILL");

  const listed = await neon(directory, "origin", "list", "--json");
  t.is(listed.status, 0, listed.stderr);
  t.deepEqual(JSON.parse(listed.stdout), [{ name: "cloud", uri: "postgresql://127.0.0.1:1/" }]);
  t.is((await neon(directory, "start")).status, 0);
});

test.serial(
  "a repository works where its socket's path is longer than the 107 bytes of sockaddr_un",
  async (t) => {
    const top = await temporaryRepository(t);
    const deep = join(top, ...Array.from({ length: 12 }, () => "a-directory-with-a-long-name"));
    await mkdir(deep, { recursive: true });
    await neon(deep, "init", "--listen", "127.0.0.1:0");
    t.true(join(deep, ".neon", "socket").length > 300);

    t.is((await neon(deep, "origin", "add", "cloud", "postgresql://127.0.0.1:1/")).status, 0);
    const started = await neon(deep, "start", "--json");
    t.is(started.status, 0, started.stderr);
    t.is(JSON.parse(started.stdout).repository, join(deep, ".neon"));
    t.regex((await neon(deep, "origin", "list")).stdout, /^cloud +postgresql:/m);
    t.is((await neon(deep, "stop")).status, 0);
  },
);

test.serial("the log of a page server holds its commands without their secrets", async (t) => {
  const directory = await temporaryRepository(t);
  await neon(directory, "start");
  await neon(directory, "origin", "add", "cloud", "postgresql://u:s3cret@127.0.0.1:1/");
  await neon(directory, "stop");
  const log = await readFile(join(directory, ".neon", "log"), "utf8");
  t.regex(log, /"command":"origin_add cloud/);
  t.notRegex(log, /s3cret/);
  for (const line of log.trim().split("\n")) t.notThrows(() => JSON.parse(line), line);
});
