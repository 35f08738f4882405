import { setTimeout as sleep } from "node:timers/promises";
import { formatLsn, parseLsn } from "../../src/lsn.js";
import { type Head, sameHead } from "../../src/timeline/head.js";
import type { RunningNeon } from "../support/neon.js";
import type { TestPostgres } from "../support/postgres.js";
import type { Stage } from "./rounds.js";
import type { KillableServer } from "./servers.js";

const BRANCH = "followed";
/** Longest time that both ends follow before one is killed. */
const FOLLOW_SECONDS = 3;
const PATIENCE_MS = 60_000;

/**
 * While Postgres is written to, `here` imports from it and pushes to `there`, both with --follow, until one of them is
 * killed. Afterwards both branches stand where they were seen or later and verify, and following again sends no frame
 * that the branch there had. Throws at whatever is otherwise.
 */
export async function followRound(
  { postgres, here, there, random }: Stage,
  say: (line: string) => void,
): Promise<"where it was" | "where it should be"> {
  const begin = performance.now();
  await here.neon("import", "main", postgres.uri);
  await here.neon("branch", "create", BRANCH, "main");
  const segments = await here.segmentsAfterGc();
  const writing = keepWriting(postgres);
  const running: RunningNeon[] = [];
  const start = (...words: string[]) => {
    const started = here.spawn(...words, "--follow", "--json");
    running.push(started);
    return started;
  };
  try {
    const forked = await requireHead(here);
    let importing = start("import", BRANCH, postgres.uri);
    const pushing = start("push", BRANCH, "there");
    await until(async () => !sameHead(await requireHead(here), forked), "the import moves it");
    await until(async () => (await there.head(BRANCH)) !== undefined, "it arrives");

    const [victim, name] = random() < 0.5 ? [here, "here"] : [there, "there"];
    const seen = watchHeads(here, there);
    const delay = random() * FOLLOW_SECONDS;
    await sleep(delay * 1000);
    await victim.kill();
    const before = await seen.stop();
    await victim.restart();
    if (victim === here) {
      await assertFails(pushing, "push");
      await assertFails(importing, "import");
    }

    const after = { here: await requireHead(here), there: await requireHead(there) };
    assertNotBefore("here", after.here, before.here);
    assertNotBefore("there", after.there, before.there);
    for (const server of [here, there]) await server.neon("verify");

    // A push waits for the page server there; one of this page server's own ends with it.
    const again = victim === here ? start("push", BRANCH, "there") : pushing;
    if (victim === here) importing = start("import", BRANCH, postgres.uri);
    const [[lsn]] = (await postgres.query("select pg_current_wal_flush_lsn()")) as [[string]];
    await until(async () => (await requireHead(there)).lsn >= parseLsn(lsn), `it comes to ${lsn}`);
    const pushed = await interrupt(again, "push");
    await interrupt(importing, "import");
    const first = victim === here ? after.there.seq : -1;
    const rest = Number(pushed.head.seq) - first;
    if (Number(pushed.frames) > rest)
      throw new Error(`follow: ${pushed.frames} frames were sent where ${rest} were new`);
    await here.neon("push", BRANCH, "there");
    if (!sameHead(await requireHead(here), await requireHead(there)))
      throw new Error("follow: the branches differ in the end");
    for (const server of [here, there]) {
      await server.neon("verify");
      await server.neon("branch", "delete", BRANCH);
    }
    const left = [await here.segmentsAfterGc(), await there.segmentsAfterGc()];
    // Fewer are no fault: short ones are merged.
    if ((left[0] as number) > segments || left[1] !== 0)
      throw new Error(`follow: gc leaves ${left} segments, not ${segments},0`);

    const moved = before.there === undefined || !sameHead(after.there, before.there);
    say(
      `follow, ${name} killed after ${delay.toFixed(2)} s: the branch there ${moved ? "had moved since it was seen" : "where it was"}, ` +
        `then ${pushed.frames} frames; ${((performance.now() - begin) / 1000).toFixed(1)} s`,
    );
    return moved ? "where it should be" : "where it was";
  } finally {
    for (const { child } of running) child.kill("SIGKILL");
    await writing.stop();
  }
}

function keepWriting(postgres: TestPostgres): { stop(): Promise<void> } {
  let stopped = false;
  const write = async () => {
    while (!stopped) {
      await postgres.query(
        "insert into ticks select now(), md5(random()::text) from generate_series(1, 100)",
      );
      await sleep(20);
    }
  };
  const ended = write();
  ended.catch(() => undefined);
  return {
    stop() {
      stopped = true;
      return ended;
    },
  };
}

/** Looks at the branch at both ends again and again, until one of them is gone. */
function watchHeads(here: KillableServer, there: KillableServer) {
  const seen: { here?: Head; there?: Head } = {};
  let stopped = false;
  const look = async () => {
    while (!stopped) {
      seen.here = await requireHead(here);
      seen.there = await requireHead(there);
      await sleep(20);
    }
  };
  const ended = look().catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await ended;
      return seen;
    },
  };
}

async function requireHead(server: KillableServer): Promise<Head> {
  const head = await server.head(BRANCH);
  if (head === undefined) throw new Error("follow: the branch is gone");
  return head;
}

function assertNotBefore(where: string, head: Head, seen: Head | undefined): void {
  if (seen === undefined || sameHead(head, seen) || (head.lsn > seen.lsn && head.seq > seen.seq)) return;
  throw new Error(
    `follow: the branch ${where} stands at ${formatLsn(head.lsn)}, and was seen at ${formatLsn(seen.lsn)}`,
  );
}

async function assertFails({ outcome }: RunningNeon, what: string): Promise<void> {
  const { status, stderr } = await outcome;
  if (status === 1 && /went away/.test(stderr) && JSON.parse(stderr).error.hint !== undefined) return;
  throw new Error(`follow: the ${what} ended with status ${status}: ${stderr}`);
}

async function interrupt({ child, outcome }: RunningNeon, what: string) {
  child.kill("SIGINT");
  const { status, stdout, stderr } = await outcome;
  if (status !== 0)
    throw new Error(`follow: the ${what} ended with status ${status} after Ctrl-C: ${stderr}`);
  return JSON.parse(stdout);
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await condition()); ) {
    await sleep(20);
    if (Date.now() > end) throw new Error(`follow: waited in vain until ${what}`);
  }
}
