import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { formatLsn } from "../../src/lsn.js";
import { storePath } from "../../src/server/config.js";
import { type Branch, Store } from "../../src/timeline/store.js";
import { continueChain, writeChain } from "../support/temporary-store.js";
import { neon, temporaryRepository } from "./support/neon.js";

/** A repository with `main` and with `dev`, which has parted from it, and a running page server as origin `cloud`. */
async function twoRepositories(t: ExecutionContext) {
  const here = await temporaryRepository(t);
  const there = await temporaryRepository(t);
  const store = await Store.open(storePath(join(here, ".neon")));
  const old = await store.createBranch("main", await writeChain(store));
  const fork = await store.forkBranch("dev", old, old.head);
  const main = await store.advanceBranch("main", old.head, await continueChain(store, old, 3));
  const dev = await store.advanceBranch("dev", fork.head, await continueChain(store, fork, 2));
  await store.close();
  const { listen } = JSON.parse((await neon(there, "start", "--json")).stdout);
  await neon(here, "origin", "add", "cloud", `postgresql://${listen}/`);
  return { here, there, listen: String(listen), old, main, dev };
}

const at = ({ head }: Branch) => formatLsn(head.lsn);

test("a dry run says what would travel, from which LSN to which, and so does its JSON", async (t) => {
  const { here, main } = await twoRepositories(t);
  const dry = await neon(here, "push", "main", "cloud", "--dry-run");
  const begin = formatLsn(main.start.walStartLsn);
  t.regex(
    dry.stdout,
    new RegExp(`^Would have pushed main .*, new branch at ${at(main)}: .*, ${begin} to ${at(main)}\n$`),
  );
  const json = async (...words: string[]) => JSON.parse((await neon(here, ...words, "--json")).stdout);
  t.like(await json("push", "main", "cloud", "-n"), {
    dry_run: true,
    start_lsn: begin,
    end_lsn: at(main),
    head: null,
    old_head: null,
  });
  await neon(here, "push", "main", "cloud");
  t.like(await json("push", "main", "cloud", "-n"), { dry_run: true, decision: "up_to_date", frames: 0 });
  t.like(await json("push", "main", "cloud"), { dry_run: false, decision: "up_to_date", end_lsn: at(main) });
});

test("what is refused is said in words, and with --json as data that the commands take", async (t) => {
  const { here, old, main, dev } = await twoRepositories(t);
  await neon(here, "push", "main", "cloud");
  const refused = await neon(here, "push", "dev", "cloud:main");
  t.is(refused.status, 1);
  t.regex(refused.stderr, new RegExp(`^neon: .*the histories part at ${at(old)}.*\nhint: [^\n]*\n$`));
  const { error } = JSON.parse((await neon(here, "push", "dev", "cloud:main", "--json")).stderr);
  t.like(error.detail, {
    decision: "diverged",
    common: { lsn: at(old) },
    source: { lsn: at(dev), digest: dev.head.digest.toString("hex") },
    destination: { lsn: at(main), digest: main.head.digest.toString("hex") },
  });

  const lease = `--force-with-lease=${error.detail.destination.digest.slice(0, 8)}`;
  const planned = await neon(here, "push", "dev", "cloud:main", lease, "--dry-run");
  const kept = `main-before-${error.detail.destination.digest.slice(0, 8)}`;
  t.regex(planned.stdout, new RegExp(`\\(forced update\\): .*would be kept as ${kept}\n$`));
  const forced = await neon(here, "push", "dev", "cloud:main", lease);
  t.regex(
    forced.stdout,
    new RegExp(
      `^Pushed dev to main at cloud, ${at(main)}\\.\\.\\.${at(dev)} \\(forced update\\): .*${kept}\n$`,
    ),
  );
});

test("the path of a URI names the branch at the other end, and is refused where none is meant", async (t) => {
  const { here, there, listen, main } = await twoRepositories(t);
  const uri = `postgresql://${listen}/`;
  const pushed = await neon(here, "push", "main", `${uri}other`);
  t.regex(
    pushed.stdout,
    new RegExp(`^Pushed main to other at ${uri}, new branch at ${at(main)}: `),
    pushed.stderr,
  );
  const pulled = await neon(here, "pull", "copy", `${uri}other`);
  t.regex(
    pulled.stdout,
    new RegExp(`^Pulled copy from other at ${uri}, new branch at ${at(main)}: `),
    pulled.stderr,
  );
  const names = JSON.parse((await neon(there, "branch", "list", "--json")).stdout);
  t.deepEqual(
    names.map(({ name }: { name: string }) => name),
    ["other"],
  );
  for (const words of [
    ["origin", "add", "far", `${uri}other`],
    ["branch", "list", `${uri}other`],
  ]) {
    const { status, stderr } = await neon(here, ...words);
    t.is(status, 1);
    t.regex(stderr, /^neon: the path of the URI names a branch, which has no place here\nhint: /);
  }
});

test("a URI without its scheme is refused before its password is logged as the name of a branch", async (t) => {
  const { here } = await twoRepositories(t);
  await neon(here, "start");
  for (const words of [
    ["push", "main", "bob:s3cret@127.0.0.1"],
    ["pull", "main", "bob:s3cret@127.0.0.1:6400/"],
  ]) {
    const { status, stderr } = await neon(here, ...words);
    t.is(status, 1);
    t.regex(stderr, /\nhint: .*postgresql:\/\//);
    t.notRegex(stderr, /s3cret/);
  }
  // An origin's branch may hold an @.
  t.regex((await neon(here, "push", "main", "cloud:v@1")).stdout, /^Pushed main to v@1 at cloud/);
  const log = await readFile(join(here, ".neon", "log"), "utf8");
  t.regex(log, /perform_push main .*v@1/);
  t.notRegex(log, /s3cret/);
});

test("what cannot be an LSN or a digest is said to be none", async (t) => {
  const { here } = await twoRepositories(t);
  for (const [words, text] of [
    [["push", "main", "cloud", "--force-with-lease=zzz"], '"zzz" is neither an LSN nor a digest'],
    [["pull", "main", "cloud", "--force-with-lease="], '"" is neither an LSN nor a digest'],
    [["branch", "create", "x", "main@zzz"], '"zzz" is not an LSN'],
    [["branch", "create", "x", "main@"], '"" is not an LSN'],
    [["branch", "create", "x", "nothing@zzz"], 'branch "nothing@zzz" does not exist'],
  ] as const) {
    const { status, stderr } = await neon(here, ...words);
    t.is(status, 1);
    t.regex(stderr, new RegExp(`^neon: ${text}\nhint: `));
  }
});
