import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./bench/report.js";
import { startPageServer } from "./support/neon.js";
import { createTemporaryDirectory } from "./support/temporary-directory.js";

// `npm run bench:start [-- MAIN]`: what starting costs, as ratios of processor time (user and system) in alternating runs.
// MAIN is what runs the command of another built clone, to compare with; else the same source without bundle is.

const ROUNDS = 15;

const root = fileURLToPath(new URL("../../", import.meta.url)); // this file runs from dist/scripts/
const bundle = `${root}dist/bundle/neon.js`;
const other = process.argv[2] === undefined ? `${root}dist/src/cli/main.js` : resolve(process.argv[2]);

const home = await createTemporaryDirectory("neon-start-");
const served = await repository("served", bundle);
const server = await startPageServer(served);
// Each its own: an older one need not read what a newer one has written.
const alone = [await repository("ours", bundle), await repository("theirs", other)] as const;

const cases: Record<string, [ours: string[], theirs: string[]]> = {
  "neon --version / node -e 0": [
    [bundle, "--version"],
    ["-e", "0"],
  ],
  "neon --help / the other": [
    [bundle, "--help"],
    [other, "--help"],
  ],
  "neon branch list, page server running / the other": [
    [bundle, "-C", served, "branch", "list"],
    [other, "-C", served, "branch", "list"],
  ],
  "neon branch list, none running / the other": [
    [bundle, "-C", alone[0], "branch", "list"],
    [other, "-C", alone[1], "branch", "list"],
  ],
};

for (const [title, [ours, theirs]] of Object.entries(cases)) {
  const times: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) times.push([cpuSeconds(ours), cpuSeconds(theirs)]);
  const [mine, his] = [median(times.map(([a]) => a)), median(times.map(([, b]) => b))];
  console.log(`${title}: ${(mine / his).toFixed(2)} (${ms(mine)} / ${ms(his)})`);
}

await server.stop();
await home.remove();

async function repository(name: string, program: string): Promise<string> {
  const directory = join(home.path, name);
  await mkdir(directory);
  cpuSeconds([program, "-C", directory, "init", "--listen", "127.0.0.1:0"]);
  return directory;
}

/** Processor time of one run of node. The shell's `times` tells that of its children. */
function cpuSeconds(words: readonly string[]): number {
  const { stdout, status, stderr } = spawnSync(
    "bash",
    ["-c", '"$@" > /dev/null && times', "bash", process.execPath, ...words],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  const children = stdout.trim().split("\n").at(-1) ?? "";
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, s]) => sum + 60 * Number(m) + Number(s),
    0,
  );
}

function ms(seconds: number): string {
  return `${Math.round(seconds * 1000)} ms`;
}
