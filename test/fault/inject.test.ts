import assert from "node:assert/strict";
import { cp, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import {
  createTemporaryDirectory,
  type TemporaryDirectory,
} from "../../scripts/support/temporary-directory.js";
import { initRepository, storePath } from "../../src/server/config.js";
import { Store } from "../../src/timeline/store.js";
import { neon, type Outcome } from "../cli/support/neon.js";
import { continueChain, contradictionsIn, writeChain } from "../support/temporary-store.js";
import { growBranch, importedBranch } from "../support/wal-chain.js";
import { largestSegment, overwrite } from "./support/flip-byte.js";
import { CALLS, callsWithin, type Fault, tracedNeon } from "./support/inject.js";
import { startServer } from "./support/repository.js";

/** Faults a call of an operation, spread over all its calls. INJECT_ALL in the environment makes it many hundred in all. */
const SAMPLES = process.env.INJECT_ALL === undefined ? 1 : 40;
/** The longest that anything may take here. Milliseconds. */
const PATIENCE_MS = 120_000;
/** What a command may say: the disk is full, or has failed; and what is heard of a page server that ended for that. */
const CODES = ["53100", "58030", "08006", "57P01", "57P03", "08001"];
/** Segments below which nothing is merged, but one. */
const MANY = 15;

/** Something that a page server does, on a copy of a repository. */
interface Operation {
  readonly name: string;
  /** The repository, below the templates. */
  readonly template: string;
  /** Branches that it has before and after. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Does it, with a fault or without, under strace. */
  run(directory: string, fault?: Fault): Promise<{ outcome: Outcome; calls: string[] }>;
  /** Looks at what is there when it has been done without a fault: at once, or where one with a fault came before. */
  check?(directory: string, undisturbed: boolean): Promise<void>;
}

let templates: TemporaryDirectory;
let postgres: TestPostgres;
let uri: string;
const strace = findTool("strace") ?? "";
const at = (name: string) => join(templates.path, name);

test.before(async () => {
  templates = await createTemporaryDirectory("neon-inject-");
  postgres = await createPostgres({ major: 15 });
  for (const name of ["empty", "source"]) {
    await mkdir(at(name));
    await neon(at(name), "init", "--listen", "127.0.0.1:0");
  }
  await neon(at("source"), "import", "main", postgres.uri);
  await cp(at("source"), at("imported"), { recursive: true });
  await make("garbage", async (store) => {
    const main = await store.createBranch("main", await writeChain(store, { frames: 20 }));
    await store.forkBranch("early", main, await headAt(store, 5));
    await store.createBranch("other", await writeChain(store));
    for (const name of ["main", "other"]) await store.deleteBranch(name);
  });
  await make("parts", async (store) => {
    await store.createBranch("parts", await writeChain(store, { frames: 2, frameBytes: 2000 }));
    for (let i = 1; i < MANY; i++) await grow(store, "parts");
  });
  await cp(at("parts"), at("more"), { recursive: true });
  await make("footer", async (store) => {
    const { branch, chain } = await importedBranch(store, "main");
    await growBranch(store, branch, chain, 20);
  });
  const { path, length } = await largestSegment(storePath(join(at("footer"), ".neon")));
  await overwrite(path, length - 20, 20);
  await withStore(at("source"), async (store) => {
    await withStore(at("more"), (more) => grow(more, "parts"));
    await store.collectGarbage(false);
  });
  const [source, more] = [await startServer(at("source")), await startServer(at("more"))];
  uri = `postgresql://127.0.0.1:${source.port}/`;
  partsUri = `postgresql://127.0.0.1:${more.port}/`;
});
let partsUri: string;

test.after.always(async () => {
  for (const name of ["source", "more"]) await neon(at(name), "stop", "--now");
  await postgres?.remove();
  await templates?.remove();
});

async function make(name: string, fill: (store: Store) => Promise<void>): Promise<void> {
  await mkdir(at(name));
  await initRepository(at(name), { listen: "127.0.0.1:0" });
  await withStore(at(name), fill);
}

async function withStore<T>(directory: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await Store.open(storePath(join(directory, ".neon")));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function headAt(store: Store, seq: number) {
  const reader = store.reader(store.requireBranch("main"));
  return { seq, digest: await reader.digest(seq), lsn: await reader.lsn(seq) };
}

async function grow(store: Store, name: string): Promise<void> {
  const branch = store.requireBranch(name);
  await store.advanceBranch(name, branch.head, await continueChain(store, branch, 2, 2000));
}

/** A command that holds the repository itself. */
function command(words: () => readonly string[]): Operation["run"] {
  return async (directory, fault) => {
    const traced = tracedNeon(strace, directory, [...words(), "--json"], fault);
    return { outcome: await inTime(traced), calls: await traced.calls() };
  };
}

async function inTime({ outcome, kill }: { outcome: Promise<Outcome>; kill(): void }): Promise<Outcome> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill();
  }, PATIENCE_MS);
  const result = await outcome;
  clearTimeout(timer);
  if (late) throw new Error(`it did not end: ${result.stderr}`);
  return result;
}

/** A push to a page server that runs under strace from its start. */
async function pushTo(directory: string, fault?: Fault): Promise<{ outcome: Outcome; calls: string[] }> {
  const server = tracedNeon(strace, directory, ["start", "--foreground", "--json"], fault);
  let ended: Outcome | undefined;
  const end = inTime(server).then((outcome) => {
    ended = outcome;
    return outcome;
  });
  while (!server.stdout().includes("\n") && ended === undefined) await sleep(50);
  let outcome = ended;
  if (outcome === undefined) {
    const { listen } = JSON.parse(server.stdout());
    outcome = await neon(at("source"), "push", "main", `postgresql://${listen}/`, "--json");
    await neon(directory, "stop", "--now");
  }
  await end;
  return { outcome, calls: await server.calls() };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const OPERATIONS: readonly Operation[] = [
  {
    name: "import",
    template: "empty",
    before: [],
    after: ["main"],
    run: command(() => ["import", "main", postgres.uri]),
  },
  { name: "push", template: "empty", before: [], after: ["main"], run: pushTo },
  {
    name: "pull",
    template: "empty",
    before: [],
    after: ["main"],
    run: command(() => ["pull", "main", uri]),
  },
  {
    name: "merge",
    template: "parts",
    before: ["parts"],
    after: ["parts"],
    run: command(() => ["pull", "parts", partsUri]),
    // What is not merged now is merged with the next move.
    check: async (directory, undisturbed) => {
      await withStore(directory, async (store) => {
        const { length } = store.reader(store.requireBranch("parts")).extents;
        assert.ok(length === 1 || (!undisturbed && length === MANY + 1), `${length} segments`);
      });
    },
  },
  {
    name: "gc",
    template: "garbage",
    before: ["early"],
    after: ["early"],
    run: command(() => ["gc", "--all"]),
    check: async (directory) => {
      await withStore(directory, async (store) => {
        assert.deepEqual(await store.collectGarbage(true), { segments: 0, bytes: 0 });
      });
    },
  },
  {
    name: "verify",
    template: "footer",
    before: ["main"],
    after: ["main"],
    run: command(() => ["verify"]),
    check: async (directory) => {
      await withStore(directory, async (store) => {
        assert.equal(await store.upkeep.rebuildFooters(store.requireBranch("main")), 0);
      });
    },
  },
  {
    name: "export",
    template: "imported",
    before: ["main"],
    after: ["main"],
    run: command(() => ["export", "main", "out"]),
    check: async (directory) => {
      assert.ok((await stat(join(directory, "out", "recovery.signal"))).isFile());
    },
  },
];

/** Runs an operation on a copy of its repository. */
async function attempt<T>(operation: Operation, work: (directory: string) => Promise<T>): Promise<T> {
  const temporary = await createTemporaryDirectory("neon-inject-run-");
  const directory = join(temporary.path, "r");
  await cp(at(operation.template), directory, { recursive: true });
  try {
    return await work(directory);
  } finally {
    await temporary.remove();
  }
}

/** Throws unless the index holds, and every branch can be read to its end. */
async function assertSound(directory: string, names: readonly string[][]): Promise<void> {
  assert.deepEqual(await contradictionsIn(storePath(join(directory, ".neon"))), []);
  await withStore(directory, async (store) => {
    const there = store.listBranches();
    assert.ok(
      names.some((allowed) => allowed.join() === there.map(({ name }) => name).join()),
      there.map(({ name }) => name).join(),
    );
    for (const branch of there) for await (const _ of store.readFrames(branch));
  });
}

/** Up to `count` of the numbers, evenly spread, the last among them. */
function sample(numbers: readonly number[], count: number, offset: number): number[] {
  if (numbers.length <= count) return [...numbers];
  return Array.from(
    { length: count },
    (_, i) => numbers[(Math.floor(((i + 1) * numbers.length) / count) - 1 + offset) % numbers.length],
  );
}

for (const [number, operation] of OPERATIONS.entries()) {
  test.serial(
    `${operation.name}: wherever the disk fails or is full, nothing is lost and the next attempt succeeds`,
    async (t) => {
      t.timeout(4 * 3_600_000);
      if (strace === "") {
        t.log("strace is not installed: not checked");
        return t.pass();
      }
      const counted = await attempt(operation, async (directory) => {
        const { outcome, calls } = await operation.run(directory);
        t.is(outcome.status, 0, outcome.stderr);
        await assertSound(directory, [[...operation.after]]);
        await operation.check?.(directory, true);
        return callsWithin(calls, directory);
      });
      t.log(`calls: ${CALLS.map((call) => `${counted.get(call)?.length} ${call}`).join(", ")}`);
      const failures: string[] = [];
      for (const [i, call] of CALLS.entries()) {
        for (const [j, error] of (["EIO", "ENOSPC"] as const).entries()) {
          if (SAMPLES === 1 && (i + j + number) % 3 > 0) continue;
          for (const when of sample(counted.get(call) ?? [], SAMPLES, i * 7 + j * 3 + number * 5)) {
            const what = `${operation.name}: ${error} at ${call} ${when}`;
            if (process.env.INJECT_ONLY !== undefined && process.env.INJECT_ONLY !== what) continue;
            await withFault(operation, { call, error, when }).catch((thrown) => {
              failures.push(`${what}: ${thrown.message}\n${thrown.cause?.message ?? ""}`);
            });
          }
        }
      }
      t.is(failures.length, 0, failures.join("\n\n"));
    },
  );
}

async function withFault(operation: Operation, fault: Fault): Promise<void> {
  await attempt(operation, async (directory) => {
    const { outcome, calls } = await operation.run(directory, fault);
    const injected = calls.filter((line) => line.includes("(INJECTED)"));
    // Calls are counted for each thread: another one's of that number can be to a pipe, without which nothing goes on.
    if (injected.length === 0 || !injected.every((line) => line.includes(directory))) return;
    const said = [outcome.stdout, outcome.stderr, ...injected].join("\n");
    try {
      if (outcome.status !== 0) {
        // Some failures of its writes kill LMDB, and the process with it, which is no worse than any other end of one.
        const byLmdb = outcome.status !== 1 && injected.every((line) => line.includes("data.mdb"));
        if (!byLmdb) assertDiskFailed(outcome);
        await assertSound(directory, [[...operation.before], [...operation.after]]);
        const again = await operation.run(directory);
        assert.equal(again.outcome.status, 0, `again: ${again.outcome.stderr}`);
      }
      await assertSound(directory, [[...operation.after]]);
      await operation.check?.(directory, false);
    } catch (cause) {
      throw new Error(said, { cause });
    }
  });
}

/** Throws unless a command said in its error, or verify in a branch's row, that the disk is full or has failed. */
function assertDiskFailed({ status, stdout, stderr }: Outcome): void {
  assert.equal(status, 1, "it died");
  // LMDB says something too.
  const error = /\{"error":.*\}/.exec(stderr)?.[0];
  if (error !== undefined) assert.ok(CODES.includes(JSON.parse(error).error.sqlstate), "another error");
  else assert.match(JSON.parse(stdout)[0].error, /Input\/output error|No space left/);
}
