import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import type { NeonError } from "../../src/errors.js";
import { MAIN, neon, type Outcome, temporaryRepository } from "../cli/support/neon.js";
import { temporaryStore, writeChain } from "../support/temporary-store.js";
import { pushFromHere } from "./support/push-from-here.js";
import { assertHolds, eventually, segments, slots, startServer } from "./support/repository.js";

/** Longest file in KiB: beyond it a write fails with EFBIG, or ends early, as on a disk that is full. */
const FULL = { segments: 1500, index: 24, later: 28_000 };

let postgres: TestPostgres;

test.before(async () => {
  postgres = await createPostgres({ major: 15 });
  await postgres.query("create table noise as select md5(i::text) from generate_series(1, 60000) i");
});

test.after.always(() => postgres?.remove());

/** Runs `neon`, and the page server that it starts, with files of limited length. Node ignores SIGXFSZ. */
async function limited(kib: number, cwd: string, ...words: string[]): Promise<Outcome> {
  const script = `ulimit -f $1; shift; exec "$@"`;
  const shell = ["-c", script, "bash", String(kib), process.execPath, MAIN, ...words];
  const child = spawn("bash", shell, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.on("data", (text) => {
    output.stderr += text;
  });
  const [status] = await once(child, "close");
  return { status, ...output };
}

function assertRefused(t: ExecutionContext, { status, stdout, stderr }: Outcome, sqlstate = /^53100$/): void {
  t.is(status, 1, stderr);
  t.is(stdout, "");
  const { error } = JSON.parse(stderr.split("\n").find((line) => line.startsWith("{")) ?? "{}");
  t.regex(error.sqlstate, sqlstate);
  t.truthy(error.hint);
}

test.serial(
  "an import that fills the disk fails, leaves nothing, and works once there is room",
  async (t) => {
    const directory = await temporaryRepository(t);
    assertRefused(t, await limited(FULL.segments, directory, "import", "main", postgres.uri, "--json"));
    t.true(await eventually(async () => (await slots(postgres)) === 0));
    t.deepEqual(await segments(directory), []);
    await assertHolds(t, directory, []);
    t.is((await neon(directory, "import", "main", postgres.uri)).status, 0);
  },
);

test.serial("an import for whose index there is no room fails and leaves nothing", async (t) => {
  const directory = await temporaryRepository(t);
  await assertHolds(t, directory, []);
  const outcome = await limited(FULL.index, directory, "import", "main", postgres.uri, "--json");
  assertRefused(t, outcome, /^(53100|58030)$/); // LMDB takes a write that ends early for an I/O error
  await assertHolds(t, directory, []);
});

test.serial(
  "a push that fills the receiver's disk fails at both ends, and the receiver lives on",
  async (t) => {
    const [here, there] = [await temporaryRepository(t), await temporaryRepository(t)];
    t.is((await neon(here, "import", "main", postgres.uri)).status, 0);
    const started = await limited(FULL.segments, there, "start", "--json");
    t.is(started.status, 0, started.stderr);
    const { listen, pid } = JSON.parse(started.stdout);
    const refused = await neon(here, "push", "main", `postgresql://${listen}/`, "--json");
    assertRefused(t, refused);
    t.regex(
      JSON.parse(refused.stderr).error.message,
      /^the page server at \S+: (No space left|File size limit)/,
    );
    t.regex(JSON.parse(refused.stderr).error.hint, /that machine/);
    t.true(await eventually(async () => (await segments(there)).length === 0));
    await assertHolds(t, there, []);
    t.is(JSON.parse((await neon(there, "status", "--json")).stdout).pid, pid);

    t.is((await neon(there, "stop")).status, 0);
    const { port } = await startServer(there);
    t.is((await neon(here, "push", "main", `postgresql://127.0.0.1:${port}/`)).status, 0);
    await assertHolds(t, there, ["main"]);
  },
);

test.serial("a push that fills the receiver's disk loses nothing that was acknowledged", async (t) => {
  const here = await temporaryStore();
  t.teardown(here.remove);
  const chain = await writeChain(here.store, { frames: 120, frameBytes: 600_000 });
  const branch = await here.store.createBranch("main", chain);
  const there = await temporaryRepository(t);
  const started = await limited(FULL.later, there, "start", "--json");
  const port = Number(JSON.parse(started.stdout).listen.split(":")[1]);
  let acknowledged = 0;
  const onAcknowledged = (frames: number) => {
    acknowledged = frames;
  };
  const error = await t.throwsAsync<NeonError>(
    pushFromHere(t, here.store, branch, port, {
      onAcknowledged,
      // A failed write can come together with the first acknowledgement, which the sender then never sees.
      beforeRun: async (firstSeq) => {
        for (let i = 0; firstSeq >= 60 && i < 200 && acknowledged === 0; i++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
    }),
  );
  t.is(error?.sqlstate, "53100");
  t.true(acknowledged > 0 && acknowledged < branch.frames, `${acknowledged}`);
  t.is((await segments(there)).length, 1);
  t.is((await neon(there, "stop")).status, 0);
  const server = await startServer(there);
  const { frames } = await pushFromHere(t, here.store, branch, server.port);
  t.is(frames, branch.frames - acknowledged);
});

test.serial("a pull that fills the disk says that it is this page server's", async (t) => {
  const [here, there] = [await temporaryRepository(t), await temporaryRepository(t)];
  t.is((await neon(there, "import", "main", postgres.uri)).status, 0);
  const { port } = await startServer(there);
  const words = ["pull", "main", `postgresql://127.0.0.1:${port}/`, "--json"];
  const refused = await limited(FULL.segments, here, ...words);
  assertRefused(t, refused);
  t.regex(JSON.parse(refused.stderr).error.message, /^this page server: (No space left|File size limit)/);
  await assertHolds(t, here, []);
  t.is((await neon(here, ...words)).status, 0);
});

test.serial("an export that fills the disk fails and leaves nothing", async (t) => {
  const directory = await temporaryRepository(t);
  t.is((await neon(directory, "import", "main", postgres.uri)).status, 0);
  const target = join(directory, "target");
  await mkdir(target);
  const exported = await limited(
    FULL.segments,
    directory,
    "export",
    "main",
    join(target, "pgdata"),
    "--json",
  );
  assertRefused(t, exported);
  t.deepEqual(await readdir(target), []);
});
