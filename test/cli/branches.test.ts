import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { formatLsn } from "../../src/lsn.js";
import { storePath } from "../../src/server/config.js";
import { Store } from "../../src/timeline/store.js";
import { commitAt, growBranch, importedBranch } from "../support/wal-chain.js";
import { neon, temporaryRepository } from "./support/neon.js";

test("branches are created, renamed, listed here and elsewhere, logged, verified, deleted and freed", async (t) => {
  const directory = await temporaryRepository(t);
  const store = await Store.open(storePath(join(directory, ".neon")));
  const { branch, chain } = await importedBranch(store, "main");
  chain.wal.record(commitAt(Date.UTC(2024, 1, 2, 3, 4, 5)));
  const main = await growBranch(store, branch, chain, 2);
  const earlier = chain.wal.records.at(-2);
  await store.close();
  const head = formatLsn(main.head.lsn);
  const out = async (status: number, ...words: string[]) => {
    const outcome = await neon(directory, ...words);
    t.is(outcome.status, status, outcome.stderr);
    return status === 0 || outcome.stderr === "" ? outcome.stdout : outcome.stderr;
  };

  const at = formatLsn(earlier?.end ?? 0n);
  t.is(await out(0, "branch", "create", "dev", "main"), `Created dev at ${head}\n`);
  t.is(await out(0, "branch", "create", "old", `main@${at}`), `Created old at ${at}\n`);
  const inside = formatLsn((earlier?.end ?? 0n) + 8n);
  t.regex(
    await out(1, "branch", "create", "bad", `main@${inside}`),
    new RegExp(`^neon: ${inside} lies inside a WAL record\nhint: .* ends at ${at}\\.\n$`),
  );
  t.regex(await out(1, "branch", "create", "dev", "main"), /^neon: branch "dev" already exists\nhint: /);
  t.regex(await out(1, "branch", "create", "x", "nothing"), /^neon: branch "nothing" does not exist\nhint: /);
  t.is(await out(0, "branch", "rename", "dev", "feature"), "Renamed dev to feature\n");
  const rows = JSON.parse(await out(0, "branch", "list", "--json"));
  t.deepEqual(
    rows.map(({ name, own_bytes, parent }: Record<string, unknown>) => [name, own_bytes, parent]),
    [
      ["feature", 0, "main"],
      ["main", main.bytes, null],
      ["old", 0, "main"],
    ],
  );
  t.regex(
    await out(0, "log", "main"),
    /^WHAT .*\nwal .* 1 +2024-02-02T03:04:05.000Z .*\nbase backup .* 0 +- +- +2024-01-02T03:04:05.000Z\n$/,
  );
  t.is(JSON.parse(await out(0, "log", "main", "-n", "1", "--json")).length, 1);
  t.regex(await out(2, "log", "main", "-n", "0"), /-n takes a number/);
  t.regex(await out(0, "verify"), /^feature: ok \(6 frames, .*\nmain: ok .*\nold: ok .*\n$/);

  const { listen } = JSON.parse(await out(0, "start", "--json"));
  const elsewhere = await temporaryRepository(t);
  await neon(elsewhere, "origin", "add", "cloud", `postgresql://${listen}/`);
  t.deepEqual(JSON.parse((await neon(elsewhere, "branch", "list", "cloud", "--json")).stdout), rows);
  t.regex((await neon(elsewhere, "branch", "list", "nowhere")).stderr, /origin "nowhere" does not exist/);
  await out(0, "stop");

  const segments = join(storePath(join(directory, ".neon")), "segments");
  const sizes = await Promise.all(
    (await readdir(segments)).map(async (name) => {
      const path = join(segments, name);
      return { path, bytes: await readFile(path) };
    }),
  );
  const newest = sizes.find(({ bytes }) =>
    bytes.includes(Buffer.from(main.head.digest)),
  ) as (typeof sizes)[number];
  const damaged = Buffer.from(newest.bytes);
  damaged[40] ^= 1;
  await writeFile(newest.path, damaged);
  const saved = formatLsn(branch.head.lsn);
  t.regex(
    await out(1, "verify", "main"),
    new RegExp(
      `^main: BAD at frame 4: .*\n  .*neon branch create NAME main@${saved}\n  to repair it: .*neon pull main from there\n$`,
    ),
  );
  t.is(await out(0, "branch", "create", "saved", `main@${saved}`), `Created saved at ${saved}\n`);
  t.regex(await out(0, "verify", "saved"), /^saved: ok/);

  for (const name of ["main", "feature", "old"]) {
    t.regex(await out(0, "branch", "delete", name), new RegExp(`^Deleted ${name}, which was at `));
  }
  t.is(JSON.parse(await out(0, "gc", "--json")).segments, 1);
  t.is(await out(0, "gc", "--all"), "Freed 0 bytes in 0 segments\n");
  t.regex(await out(0, "verify"), /^saved: ok/);
});
