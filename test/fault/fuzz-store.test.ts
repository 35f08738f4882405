import { spawn } from "node:child_process";
import { cp, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { randomNumbers } from "../../scripts/kill-test/random-numbers.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { Store } from "../../src/timeline/store.js";
import { forkWal, growBranch, importedBranch } from "../support/wal-chain.js";
import type { Inspection } from "./support/inspect-store.js";

/** Rounds for each way to damage a file. FUZZ_ROUNDS=200 takes a while, and is for a change of what lies on disk. */
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 5);
const SEED = Number(process.env.FUZZ_SEED ?? 20261125);
const PROGRAM = fileURLToPath(new URL("./support/inspect-store.js", import.meta.url));

/** A whole number from 0 up to, not including, the limit. */
type Random = (limit: number) => number;

/** What may become of a file on a disk: some bytes of it, from `at` on. */
const WAYS = {
  "one bit flipped": (bytes: Buffer, random: Random) => {
    bytes[0] ^= 1 << random(8);
  },
  "512 bytes zeroed": (bytes: Buffer) => bytes.fill(0),
  "512 bytes of noise": (bytes: Buffer, random: Random) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
  },
  cut: undefined,
};

async function makeStore(path: string): Promise<void> {
  await Store.create(path);
  const store = await Store.open(path);
  const { branch, chain } = await importedBranch(store, "main");
  let main = await growBranch(store, branch, chain, 3, 3000);
  const forked = forkWal(chain, main.head.lsn);
  const fork = await store.forkBranch("fork", main, main.head);
  for (let i = 0; i < 20; i++) main = await growBranch(store, main, chain, 1, 500);
  await growBranch(store, fork, forked, 4, 3000);
  await importedBranch(store, "other");
  await store.close();
}

async function inspect(t: ExecutionContext, path: string, what: string): Promise<Inspection> {
  const child = spawn(process.execPath, [PROGRAM, path], { timeout: 120_000 });
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null) await new Promise((resolve) => child.once("close", resolve));
  t.is(child.signalCode, null, `${what}: the process died: ${problems}`);
  t.is(child.exitCode, 0, `${what}: ${problems}`);
  return JSON.parse(output);
}

async function segmentBytes(path: string): Promise<number> {
  const directory = join(path, "segments");
  const sizes = await Promise.all(
    (await readdir(directory)).map(async (id) => (await stat(join(directory, id))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Damages a file somewhere, and says where. */
async function damage(file: string, way: keyof typeof WAYS, random: Random): Promise<string> {
  const { size } = await stat(file);
  const at = random(size);
  const handle = await open(file, "r+");
  try {
    const change = WAYS[way];
    if (change === undefined) {
      await handle.truncate(at);
    } else {
      const bytes = Buffer.alloc(Math.min(512, size - at));
      await handle.read(bytes, 0, bytes.length, at);
      change(bytes, random);
      await handle.write(bytes, 0, bytes.length, at);
    }
  } finally {
    await handle.close();
  }
  return `${way} at ${at} of ${size}`;
}

for (const kind of ["refs", "segments"] as const) {
  test.serial(
    `whatever becomes of a file in ${kind}, it is told, and no branch or byte is lost`,
    async (t) => {
      const home = await createTemporaryDirectory("neon-fuzz-");
      t.teardown(() => home.remove());
      const sound = join(home.path, "sound");
      await makeStore(sound);
      const before = await inspect(t, sound, "undamaged");
      t.deepEqual(before.complaints, []);
      t.is(before.refused, undefined);
      t.is(before.freed, 0);
      const next = randomNumbers(SEED);
      const random: Random = (limit) => Math.floor(next() * limit);
      for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
        for (let round = 0; round < ROUNDS; round++) {
          const path = join(home.path, `${way}-${round}`);
          await cp(sound, path, { recursive: true });
          const names = (await readdir(join(path, kind))).toSorted();
          const name = names[random(names.length)] as string;
          const what = `${name}: ${await damage(join(path, kind, name), way, random)}`;
          const bytes = await segmentBytes(path);
          const after = await inspect(t, path, what);
          t.true((await segmentBytes(path)) >= bytes, `${what}: bytes of segments are gone`);
          if (after.refused !== undefined) continue;
          t.deepEqual(Object.keys(after.branches), Object.keys(before.branches), what);
          // Nothing is wrong: then nothing is otherwise than it was.
          if (after.complaints.length === 0) t.deepEqual(after.branches, before.branches, what);
        }
      }
    },
  );
}
