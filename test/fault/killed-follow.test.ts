import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { parseLsn } from "../../src/lsn.js";
import type { Store } from "../../src/timeline/store.js";
import { neon, type Running, spawnNeon, temporaryRepository } from "../cli/support/neon.js";
import { temporaryServer } from "../support/temporary-server.js";
import { continueChain, writeChain } from "../support/temporary-store.js";
import { eventually, startServer } from "./support/repository.js";
import { stallingProxy } from "./support/stalling-proxy.js";

interface Head {
  readonly lsn: string;
  readonly digest: string;
  readonly seq: string;
}

/** state-0, and state-1 and state-2 with 2 MB more each, in 40 frames. */
async function fillStates(store: Store): Promise<void> {
  let branch = await store.createBranch("state-0", await writeChain(store));
  for (const state of [1, 2]) {
    const fork = await store.forkBranch(`state-${state}`, branch, branch.head);
    branch = await store.advanceBranch(fork.name, fork.head, await continueChain(store, fork, 40, 100_000));
  }
}

async function headOf(directory: string, branch = "main"): Promise<Head | undefined> {
  const { stdout } = await neon(directory, "branch", "list", "--json");
  const rows: { name: string; head: Head }[] = JSON.parse(stdout || "[]");
  return rows.find(({ name }) => name === branch)?.head;
}

/** Two repositories whose page servers run, and a way to let `main` grow at the near one. */
async function stage(t: ExecutionContext) {
  const feeder = await temporaryServer({ fill: fillStates });
  t.teardown(feeder.remove);
  const [near, far] = [await temporaryRepository(t), await temporaryRepository(t)];
  const { pid: nearPid } = await startServer(near);
  const { pid: farPid, port } = await startServer(far);
  t.is((await neon(near, "origin", "add", "feeder", feeder.uri)).status, 0);
  return {
    near,
    far,
    pids: { near: nearPid, far: farPid },
    port,
    uri: `postgresql://127.0.0.1:${port}/`,
    async grow(state: number): Promise<Head> {
      const pulled = await neon(near, "pull", "main", `feeder:state-${state}`, "--json");
      t.is(pulled.status, 0, pulled.stderr);
      return JSON.parse(pulled.stdout).head;
    },
  };
}

/** Waits until the far branch stands at a head. */
async function arrived(t: ExecutionContext, directory: string, { digest }: Head): Promise<void> {
  t.true(await eventually(async () => (await headOf(directory))?.digest === digest));
}

/** Has the page server of a repository listen on a port from its next start on. */
async function listenOn(directory: string, port: number): Promise<void> {
  const file = join(directory, ".neon", "config.toml");
  await writeFile(file, (await readFile(file, "utf8")).replace("127.0.0.1:0", `127.0.0.1:${port}`));
}

async function assertEnds(t: ExecutionContext, { outcome }: Running, message: RegExp): Promise<void> {
  const { status, stdout, stderr } = await outcome;
  t.is(status, 1);
  t.is(stdout, "");
  t.regex(stderr, message);
  t.regex(stderr, /\nhint: [^\n]+\n$/);
}

test.serial(
  "Ctrl-C in the middle of a push that follows ends it well, and what has come is not sent again",
  async (t) => {
    const { near, far, port, grow } = await stage(t);
    const first = await grow(0);
    const proxy = await stallingProxy(t, port, 1_000_000);
    const following = spawnNeon(
      near,
      "push",
      "main",
      `postgresql://127.0.0.1:${proxy.port}/`,
      "--follow",
      "--json",
    );
    await arrived(t, far, first);
    await grow(1);
    await proxy.stalled;
    following.child.kill("SIGINT");
    const { status, stdout, stderr } = await following.outcome;
    t.is(status, 0, stderr);
    t.is(JSON.parse(stdout).head.digest, first.digest);
    t.deepEqual(await headOf(far), first);

    // The page server there has yet to notice that nobody sends any more.
    const left = async () => {
      const uri = `postgresql://127.0.0.1:${port}/`;
      const { stdout } = await neon(near, "push", "main", uri, "--dry-run", "--json");
      return Number(JSON.parse(stdout).frames);
    };
    t.true(await eventually(async () => (await left()) < 40));
    t.true((await left()) > 0);
  },
);

test.serial(
  "a push that follows says when the page server there is killed, waits until it is back, and sends the rest only",
  async (t) => {
    const { near, far, pids, port, uri, grow } = await stage(t);
    const first = await grow(0);
    const { child, outcome } = spawnNeon(near, "push", "main", uri, "--follow");
    let said = "";
    child.stderr?.on("data", (text) => {
      said += text;
    });
    await arrived(t, far, first);
    await listenOn(far, port);
    for (let state = 1, pid = pids.far; state <= 2; state++) {
      process.kill(pid, "SIGKILL");
      const grown = await grow(state);
      t.true(await eventually(async () => said.match(/ went away: .*\n/g)?.length === state), said);
      pid = (await startServer(far)).pid;
      await arrived(t, far, grown);
    }
    child.kill("SIGINT");
    const { status, stdout, stderr } = await outcome;
    t.is(status, 0, stderr);
    t.regex(stdout, /^Pushed main to .*: 8[0-9] frames, /);
    const server = `the page server at ${uri}`;
    const lines = stderr.split("\n").filter((line) => line.startsWith("neon: "));
    const away = `neon: ${server} went away: `;
    t.deepEqual(
      lines.map((line) => (line.startsWith(away) ? away : line)),
      [away, `neon: ${server} is back`, away, `neon: ${server} is back`],
      stderr,
    );
  },
);

test.serial(
  "what follows at a page server that is killed says so, and goes on when that is back",
  async (t) => {
    const { near, far, pids, uri, grow } = await stage(t);
    const postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
    t.teardown(() => postgres.remove());
    const first = await grow(0);
    const pushing = spawnNeon(near, "push", "main", uri, "--follow");
    const importing = spawnNeon(near, "import", "live", postgres.uri, "--follow");
    await arrived(t, far, first);
    t.true(await eventually(async () => (await headOf(near, "live")) !== undefined));
    process.kill(pids.near, "SIGKILL");
    for (const running of [pushing, importing]) {
      await assertEnds(t, running, /^neon: the page server of this repository went away\n/m);
    }

    await startServer(near);
    t.is((await neon(near, "verify", "live")).status, 0);
    const again = spawnNeon(near, "import", "live", postgres.uri, "--follow", "--json");
    await postgres.query("create table t as select generate_series(1, 1000) as a");
    const [[lsn]] = (await postgres.query("select pg_current_wal_flush_lsn()")) as [[string]];
    const reached = (head: Head | undefined) => head !== undefined && parseLsn(head.lsn) >= parseLsn(lsn);
    t.true(await eventually(async () => reached(await headOf(near, "live"))));
    again.child.kill("SIGINT");
    t.is((await again.outcome).status, 0);
    t.is((await neon(near, "verify", "live")).status, 0);
  },
);

test.serial("a push that is to follow to where nobody answers fails at once", async (t) => {
  const { near, grow } = await stage(t);
  await grow(0);
  const pushing = spawnNeon(near, "push", "main", "postgresql://127.0.0.1:1/", "--follow");
  await assertEnds(t, pushing, /^neon: .*cannot connect to 127\.0\.0\.1:1: /);
});

test.serial("a push that waits for the other page server ends well with Ctrl-C", async (t) => {
  const { near, far, pids, uri, grow } = await stage(t);
  const first = await grow(0);
  const { child, outcome } = spawnNeon(near, "push", "main", uri, "--follow", "--json");
  await arrived(t, far, first);
  process.kill(pids.far, "SIGKILL");
  await grow(1);
  const log = join(near, ".neon", "log");
  t.true(await eventually(async () => (await readFile(log, "utf8")).includes("went away")));
  child.kill("SIGINT");
  const { status, stdout, stderr } = await outcome;
  t.is(status, 0, stderr);
  t.is(stderr, "");
  t.is(JSON.parse(stdout).head.digest, first.digest);
});
