import { access } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { neon, temporaryDirectory, temporaryRepository } from "./support/neon.js";

test("import, show, push and export say in one line what moved, and the same as JSON", async (t) => {
  const postgres = await createPostgres({ major: 15 });
  t.teardown(() => postgres.remove());
  const here = await temporaryRepository(t);
  const there = await temporaryRepository(t);
  const { listen } = JSON.parse((await neon(there, "start", "--json")).stdout);
  const json = async (...words: string[]) => {
    const { status, stdout, stderr } = await neon(here, ...words, "--json");
    t.is(status, 0, stderr);
    t.is(stderr, "");
    return JSON.parse(stdout);
  };

  const imported = await neon(here, "import", "main", postgres.uri);
  t.is(imported.status, 0, imported.stderr);
  t.regex(
    imported.stdout,
    /^Imported main at 0\/[0-9A-F]+: [\d.]+ MB in [\d.]+ s \([\d.]+ MB\/s\), kept as \d+ frames of [\d.]+ MB\n$/,
  );
  const again = await neon(here, "import", "main", postgres.uri);
  t.is(again.status, 0, again.stderr);
  t.regex(
    again.stdout,
    /^(Appended to main, now at 0\/[0-9A-F]+: .*|Up to date: main is at 0\/[0-9A-F]+ too)\n$/,
  );

  const [branch] = await json("branch", "list");
  t.deepEqual(Object.keys(branch), ["name", "head", "timeline_id", "bytes", "own_bytes", "parent"]);
  const shown = await json("branch", "show", "main");
  t.like(shown, { name: "main", head: branch.head, timeline_id: branch.timeline_id, bytes: branch.bytes });
  t.is(Math.floor(shown.server_version_num / 10000), 15);
  t.regex(
    (await neon(here, "branch", "list")).stdout,
    /^BRANCH +HEAD +SIZE +OWN SIZE +PARENT\nmain +0\/[0-9A-F]+ /,
  );
  t.regex((await neon(here, "branch", "show", "main")).stdout, /^server version: +PostgreSQL 15\.\d+$/m);

  await neon(here, "origin", "add", "cloud", `postgresql://${listen}/`);
  const pushed = await neon(here, "push", "main", "cloud");
  t.is(pushed.status, 0, pushed.stderr);
  t.regex(
    pushed.stdout,
    /^Pushed main to main at cloud, new branch at 0\/[0-9A-F]+: \d+ frames, [\d.]+ MB in [\d.]+ s /,
  );
  t.regex(
    (await neon(here, "push", "main", "cloud")).stdout,
    /^Up to date: main at cloud is at 0\/[0-9A-F]+ too\n$/,
  );
  t.like(await json("push", "main", "cloud:other"), {
    branch: "main",
    destination_branch: "other",
    decision: "create",
    head: branch.head,
    frames: 0, // they are there already, under another name
  });
  t.like(await json("push", "main", `postgresql://${listen}/`), {
    decision: "up_to_date",
    frames: 0,
    bytes: 0,
  });
  const names = JSON.parse((await neon(there, "branch", "list", "--json")).stdout);
  t.deepEqual(
    names.map(({ name, head }: { name: string; head: object }) => ({ name, head })),
    ["main", "other"].map((name) => ({ name, head: branch.head })),
  );

  // Relative to -C, wherever the page server works.
  const elsewhere = await temporaryDirectory(t);
  const exported = await neon(elsewhere, "-C", there, "export", "main", "pgdata");
  t.is(exported.status, 0, exported.stderr);
  t.regex(exported.stdout, /^Exported main at 0\/[0-9A-F]+ to .*\/pgdata for PostgreSQL 15: [\d.]+ MB in /);
  t.regex(exported.stdout, /^note: /m);
  t.regex(exported.stdout, /\nStart it, [^\n]*:\n(?: {2}\S.*\n)+$/);
  await t.notThrowsAsync(access(join(there, "pgdata", "PG_VERSION")));
});

test("an unknown branch, an unknown origin and a dead page server are refused with a hint", async (t) => {
  const here = await temporaryRepository(t);
  for (const [words, message] of [
    [["push", "main", "nowhere"], /^neon: .*"(main|nowhere)" does not exist\nhint: /],
    [["export", "main", "pgdata"], /^neon: branch "main" does not exist\nhint: /],
    [["import", "main", "postgresql://127.0.0.1:1/"], /^neon: .*refused.*\nhint: /i],
    [["import", "main", "postgres"], /^neon: .*URI.*\nhint: /],
  ] as const) {
    const { status, stdout, stderr } = await neon(here, ...words);
    t.is(status, 1, words.join(" "));
    t.is(stdout, "");
    t.regex(stderr, message);
  }
});
