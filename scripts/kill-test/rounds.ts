import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPostgres, type TestPostgres } from "../support/postgres.js";
import { createTemporaryDirectory } from "../support/temporary-directory.js";
import { followRound } from "./follow-round.js";
import { randomNumbers } from "./random-numbers.js";
import { KillableServer } from "./servers.js";

/** The stage: `here` holds the branches `old` and `main`, which goes on from it; `there` gets them as `work`. */
export interface Stage {
  readonly postgres: TestPostgres;
  readonly here: KillableServer;
  readonly there: KillableServer;
  readonly random: () => number;
  /** Seconds that each kind of work took when it came to its end. */
  readonly seconds: Map<string, number>;
}

/** One attempt of some work and what it may do. */
interface Attempt {
  readonly title: string;
  /** Whose branch the work moves, and its name. */
  readonly owner: KillableServer;
  readonly branch: string;
  readonly victim: KillableServer;
  work(...options: string[]): Promise<string>;
  /** The head that the branch gets; undefined for an import, whose head is not known before. */
  readonly target: string | undefined;
}

/** How long a command takes to come to its work, about. */
const STARTUP_SECONDS = 0.2;

type Say = (line: string) => void;

/** Enough that a transfer takes its time. */
const ROWS = 500_000;
/** Enough where only what comes later counts. */
const SMALL_ROWS = 5000;

/** What the rounds do, in turn. */
const KINDS = ["push", "pull", "push", "pull", "import", "follow"];

/**
 * Runs the rounds and returns a summary. Throws at the first one after which a branch stands where it must not, the next
 * attempt fails, a branch does not verify, or a segment is left over. All rounds are of the kind `only` if it is given.
 */
export async function killTest(rounds: number, seed: number, say: Say, only?: string): Promise<string> {
  if (only !== undefined && !KINDS.includes(only)) throw new Error(`a kind is one of ${KINDS.join(", ")}`);
  const cleanups: (() => Promise<unknown>)[] = [];
  const home = await createTemporaryDirectory("neon-kill-");
  cleanups.push(() => home.remove());
  try {
    const postgres = await createPostgres({ major: 15, settings: { fsync: "off", wal_keep_size: "4GB" } });
    cleanups.push(() => postgres.remove());
    const here = await KillableServer.start(join(home.path, "here"));
    cleanups.push(() => here.stop());
    const there = await KillableServer.start(join(home.path, "there"));
    cleanups.push(() => there.stop());
    const stage = { postgres, here, there, random: randomNumbers(seed), seconds: new Map() };
    await fill(stage, only === "follow" ? SMALL_ROWS : ROWS);
    const counts = { "where it was": 0, "where it should be": 0 };
    for (let round = 0; round < rounds; round++) {
      const kind = only ?? (KINDS[round % KINDS.length] as string);
      const run = kind === "follow" ? followRound : runRound;
      const came = await run(stage, (line) => say(`${round + 1}/${rounds} ${line}`), kind);
      counts[came]++;
    }
    return Object.entries(counts)
      .map(([where, count]) => `${count} times the branch stood ${where}`)
      .join(", ");
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup().catch((error) => say(error.message));
  }
}

async function fill({ postgres, here, there }: Stage, rows: number): Promise<void> {
  const noise = `select string_agg(md5(random()::text), '') from generate_series(1, ${rows}) i group by i % (${rows} / 50)`;
  await postgres.query("create table ticks (at timestamptz, note text)");
  await postgres.query(`create table noise as ${noise}`);
  await here.neon("import", "main", postgres.uri);
  await here.neon("branch", "create", "old", "main");
  await postgres.query(`insert into noise ${noise}`);
  await here.neon("import", "main", postgres.uri);
  await here.neon("origin", "add", "there", there.uri);
  await there.neon("origin", "add", "here", here.uri);
}

async function runRound(stage: Stage, say: Say, way: string): Promise<keyof typeof WHERE> {
  const { here, random } = stage;
  const attempt = way === "import" ? importAttempt(stage) : await transferAttempt(stage, way);
  const { owner, branch, title, target, victim } = attempt;
  const before = await owner.heads();
  const segments = owner === here ? await here.segmentsAfterGc() : 0;

  const limit = random() < 0.3 && target !== undefined ? ["--bwlimit", "30M"] : [];
  const kind = [title, ...limit].join(" ");
  const delay = STARTUP_SECONDS + random() * 1.1 * ((stage.seconds.get(kind) ?? 1.5) - STARTUP_SECONDS);
  const begin = performance.now();
  const attempted = attempt.work(...limit).then(
    () => {
      stage.seconds.set(kind, (performance.now() - begin) / 1000);
      return true;
    },
    () => false,
  );
  await sleep(delay * 1000);
  await victim.kill();
  await victim.restart();
  const succeeded = await attempted;
  const came = await whereItStands(attempt, before, succeeded);
  await retry(attempt);
  await owner.neon("verify");
  if (owner !== here) await here.neon("verify");
  await owner.neon("branch", "delete", branch);
  const left = await owner.segmentsAfterGc();
  if (left !== segments) throw new Error(`${title}: gc leaves ${left} segments where ${segments} were`);
  const killed = victim === here ? "here" : "there";
  say(
    `${title}, ${killed} killed after ${delay.toFixed(2)} s: ${succeeded ? "done" : "failed"}, ${WHERE[came]}; ` +
      `${((performance.now() - begin) / 1000).toFixed(1)} s`,
  );
  return came;
}

const WHERE = { "where it was": "the branch where it was", "where it should be": "the branch moved" };

/** A push from here or a pull from there, onto a server that holds nothing or an older state. */
async function transferAttempt({ here, there, random }: Stage, way: string): Promise<Attempt> {
  const known = random() < 0.5 ? "known" : "new";
  if (known === "known") await here.neon("push", "old", "there:work");
  const target = (await here.heads()).get("main");
  const victim = random() < 0.5 ? here : there;
  const work = (...options: string[]) =>
    way === "push"
      ? here.neon("push", "main", "there:work", ...options)
      : there.neon("pull", "work", "here:main", ...options);
  return {
    title: `${way} of a ${known} branch`,
    owner: there,
    branch: "work",
    victim,
    work,
    target,
  };
}

function importAttempt({ here, postgres }: Stage): Attempt {
  const work = () => here.neon("import", "copy", postgres.uri);
  return { title: "import", owner: here, branch: "copy", victim: here, work, target: undefined };
}

async function whereItStands(
  { owner, branch, title, target }: Attempt,
  before: Map<string, string>,
  succeeded: boolean,
): Promise<keyof typeof WHERE> {
  const after = await owner.heads();
  const head = after.get(branch);
  for (const [name, other] of before) {
    if (name !== branch && after.get(name) !== other)
      throw new Error(`${title}: the branch ${name} has moved`);
  }
  const moved = head !== before.get(branch);
  if (moved && target !== undefined && head !== target)
    throw new Error(`${title}: the branch stands at ${head}`);
  if (succeeded && !moved) throw new Error(`${title}: it succeeded, but the branch stands where it was`);
  return moved ? "where it should be" : "where it was";
}

/** Does the work again, undisturbed. */
async function retry({ owner, branch, title, target, work }: Attempt): Promise<void> {
  await work();
  const head = (await owner.heads()).get(branch);
  if (target === undefined ? head === undefined : head !== target) {
    throw new Error(`${title}: after another attempt the branch stands at ${head}`);
  }
}
