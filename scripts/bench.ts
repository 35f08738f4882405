import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fillCluster } from "./bench/fill-cluster.js";
import { watchPeakMemory } from "./bench/peak-memory.js";
import { installedPeers } from "./bench/peers.js";
import { atMost, type BenchCase, formatTable, median, timesAsFast } from "./bench/report.js";
import { runProgram } from "./bench/run-program.js";
import { runSyncCases } from "./bench/sync-cases.js";
import { type PageServerProcess, startPageServer } from "./support/neon.js";
import { createPostgres, type TestPostgres } from "./support/postgres.js";
import { createTemporaryDirectory } from "./support/temporary-directory.js";

// `npm run bench -- [megabytes] [--rounds n] [--json]`: import and push beside pg_basebackup and rsync, on the same
// cluster, in the same run, each durable at its end. Wall time of whole commands, as a user sees it. Rounds are
// interleaved, so that a slower minute of the machine hits all alike; the table holds medians.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, rounds: { type: "string", default: "3" } },
});
const megabytes = Number(positionals[0] ?? 1536);
const rounds = Number(values.rounds);
if (!(megabytes >= 1 && rounds >= 1))
  throw new Error("usage: npm run bench -- [megabytes] [--rounds n] [--json]");

const MEMORY_LIMIT_MB = 250;
const MAJOR = 15; // Debian 12's pg_basebackup speaks to it
// As the goals have them at the default size, and smaller with it.
const sizes = {
  fullFrames: Math.min(2000, Math.ceil(megabytes * 1.5)),
  partedFrames: Math.min(100_000, megabytes * 100),
};
const note = values.json ? () => {} : console.log;
const peers = installedPeers();
const seconds = new Map<string, number[]>();
const peaks = { local: 0, remote: 0 };
const cleanups: (() => Promise<void>)[] = [];

try {
  await bench();
} catch (error) {
  console.error(`\nThe benchmark failed: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup().catch((error) => console.error(error.message));
}

async function bench(): Promise<void> {
  const home = await createTemporaryDirectory("neon-bench-");
  cleanups.push(() => home.remove());
  note(`filling a PostgreSQL ${MAJOR} with ${megabytes} MB`);
  const source = await createPostgres({ major: MAJOR, settings: { max_wal_size: "4GB", autovacuum: "off" } });
  cleanups.push(() => source.remove());
  await fillCluster(source, megabytes * 1e6);
  const [here, there] = [join(home.path, "here"), join(home.path, "there")];
  for (const directory of [here, there]) await mkdir(directory);
  const local = await startPageServer(here);
  cleanups.push(() => local.stop());
  const remote = await startPageServer(there);
  cleanups.push(() => remote.stop());
  const ends = [watchPeakMemory(local.pid), watchPeakMemory(remote.pid)];
  for (let round = 1; round <= rounds; round++) {
    note(`round ${round} of ${rounds}`);
    await runRound(`round-${round}`, source, local, remote, home.path);
  }
  const [localPeak, remotePeak] = ends.map((end) => end());
  peaks.local = (localPeak ?? Number.NaN) / 1e6;
  peaks.remote = (remotePeak ?? Number.NaN) / 1e6;
  const cases = [...results(), ...(await runSyncCases(home.path, sizes, note))];
  if (values.json) for (const line of cases) console.log(JSON.stringify(line));
  else console.log(`\n${formatTable(cases)}`);
}

async function runRound(
  branch: string,
  source: TestPostgres,
  local: PageServerProcess,
  remote: PageServerProcess,
  home: string,
): Promise<void> {
  for (const peer of peers) {
    const directory = join(home, "copy");
    await measure(peer.name, () => peer.copy(source, directory));
    await rm(directory, { recursive: true });
  }
  const imported = JSON.parse(
    await measure("import", () => local.neon("import", branch, source.uri, "--json")),
  );
  note(
    `  ${Math.round(imported.source_bytes / 1e6)} MB from Postgres are ${Math.round(imported.bytes / 1e6)} MB of frames`,
  );
  await measure("push", () => local.neon("push", branch, remote.uri, "--json"));
}

async function measure<T>(name: string, action: () => Promise<T>): Promise<T> {
  await runProgram("sync", []); // nobody pays for what the one before has left in the page cache
  const start = performance.now();
  const result = await action();
  const taken = (performance.now() - start) / 1000;
  seconds.set(name, [...(seconds.get(name) ?? []), taken]);
  note(`  ${name}: ${taken.toFixed(2)} s`);
  return result;
}

function results(): BenchCase[] {
  const time = (name: string) => median(seconds.get(name) ?? []);
  const cases: BenchCase[] = [];
  for (const { name } of peers) {
    const isBackup = name === "pg_basebackup";
    if (isBackup) cases.push(atMost(`import vs ${name}`, "s", time("import"), time(name), 1.2));
    cases.push(timesAsFast(`push vs ${name}`, time("push"), time(name), isBackup ? 2.5 : undefined));
  }
  for (const [server, peak] of Object.entries(peaks)) {
    if (Number.isNaN(peak)) continue; // no /proc here
    cases.push(atMost(`anonymous memory, ${server} page server`, "MB", peak, MEMORY_LIMIT_MB, 1));
  }
  return cases;
}
