import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fillDemoCluster } from "./support/demo-data.js";
import { startPageServer } from "./support/neon.js";
import { createPostgres, startPostgres } from "./support/postgres.js";
import { tableDigests } from "./support/table-digests.js";
import { createTemporaryDirectory } from "./support/temporary-directory.js";

// `npm run demo`: a branch of a real Postgres goes from one page server to another and is booted there. Whatever is
// started or made here goes away again, also after a failure, Ctrl-C or kill -9 (see support/guard.ts).

const MAJOR = 18;
const cleanups: (() => Promise<void>)[] = [];

try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup().catch((error) => console.error(error.message));
}

async function demo(): Promise<void> {
  const home = await createTemporaryDirectory("neon-demo-");
  cleanups.push(() => home.remove());

  title(`A stock PostgreSQL ${MAJOR} with some data`);
  const source = await createPostgres({ major: MAJOR });
  cleanups.push(() => source.remove());
  await timed("filled in", () => fillDemoCluster(source));
  const [[size] = []] = await source.query(
    "select pg_size_pretty(sum(pg_database_size(oid))) from pg_database",
  );
  const before = await tableDigests(source);
  say(`${source.uri} holds ${before.size} tables, ${sum(before)} rows, ${size}`);

  title("Two page servers: here and, as it were, in the cloud");
  const [here, cloud] = [join(home.path, "here"), join(home.path, "cloud")];
  for (const directory of [here, cloud]) await mkdir(directory);
  const [local, remote] = [await startPageServer(here), await startPageServer(cloud)];
  cleanups.push(
    () => local.stop(),
    () => remote.stop(),
  );
  say(`here: pid ${local.pid}, ${local.uri}`);
  say(`cloud: pid ${remote.pid}, ${remote.uri}`);

  title("Import the cluster as branch main, and push it");
  const run = (server: typeof local, ...words: string[]) => {
    say(`${server === local ? "here" : "cloud"}$ neon ${words.join(" ")}`);
    return timed("  in all", () => server.neon(...words));
  };
  await run(local, "import", "main", source.uri);
  await run(local, "origin", "add", "cloud", remote.uri);
  await run(local, "push", "main", "cloud");
  await run(local, "push", "main", "cloud");
  await run(remote, "branch", "list");

  title(`Export it at the far side, and start a stock PostgreSQL ${MAJOR} there`);
  const exported = join(home.path, "pgdata");
  await run(remote, "export", "main", exported);
  const copy = await timed("booted and recovered in", () => startPostgres(exported, MAJOR));
  cleanups.push(() => copy.remove());

  title("Compare both ends");
  const after = await tableDigests(copy);
  const different = compare(before, after);
  if (different.length > 0) throw new Error(`these tables differ: ${different.join(", ")}`);
  say(`the far side also takes writes: ${await writes(copy)}`);
  say("every table has the same rows at both ends");
}

function compare(before: Awaited<ReturnType<typeof tableDigests>>, after: typeof before): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.filter((name) => {
    const [ours, theirs] = [before.get(name), after.get(name)];
    const same = ours !== undefined && ours.rows === theirs?.rows && ours.hash === theirs.hash;
    const rows = `${ours?.rows ?? "missing"} | ${theirs?.rows ?? "missing"} rows`;
    say(
      `${same ? "same     " : "DIFFERENT"}  ${name.padEnd(40)} ${rows.padStart(24)}  md5 ${theirs?.hash ?? ""}`,
    );
    return !same;
  });
}

async function writes(copy: Awaited<ReturnType<typeof startPostgres>>): Promise<string> {
  const [[count] = []] = await copy.query(
    "create table shop.written_here as select 1; select count(*) from shop.written_here",
    "shop",
  );
  if (count !== "1") throw new Error("the exported cluster does not take writes");
  return "yes";
}

function sum(digests: Awaited<ReturnType<typeof tableDigests>>): number {
  return [...digests.values()].reduce((total, { rows }) => total + rows, 0);
}

async function timed<T>(what: string, action: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await action();
  if (typeof result === "string") for (const line of result.trimEnd().split("\n")) say(`  ${line}`);
  say(`${what} ${((performance.now() - start) / 1000).toFixed(2)} s`);
  return result;
}

function title(text: string): void {
  console.log(`\n${text}`);
}

function say(text: string): void {
  console.log(`  ${text}`);
}
