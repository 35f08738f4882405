import test from "ava";
import fc from "fast-check";
import { damageFrame, firstDamaged, isDamaged } from "./model/damage.js";
import { forkOf } from "./model/history.js";
import { type Operation, operation } from "./model/operations.js";
import { runTransfer } from "./model/transfer.js";
import {
  appendToBranch,
  assertPlace,
  forkBranch,
  importBranch,
  makePlace,
  type Place,
} from "./model/world.js";

/** MODEL_RUNS in the environment makes it longer; MODEL_SEED, and MODEL_PATH with it, run again what has failed. */
const RUNS = Number(process.env.MODEL_RUNS ?? 40);
/** When to stop looking for a shorter failure, or on a slow machine for any. */
const MOST_MS = 60_000 + RUNS * 2000;

async function run(places: readonly Place[], step: Operation): Promise<void> {
  if (step.kind === "transfer") {
    const filled = places.filter(({ branches }) => branches.size > 0);
    if (filled.length === 0) return;
    const from = filled[step.from % filled.length];
    const to = places[(places.indexOf(from) + step.distance) % places.length];
    return runTransfer(from, to, pick(from, step.branch) as string, step);
  }
  const place = places[step.server];
  const { store } = place.files;
  if (step.kind === "import") {
    if (place.branches.has(step.name)) return;
    return importBranch(place, step.name, BigInt(step.cluster), step.lengths);
  }
  if (step.kind === "reopen") return place.files.reopen();
  if (step.kind === "gc") {
    await store.collectGarbage(step.all, true);
    if (step.all) place.acknowledged.clear();
    return;
  }
  const branch = pick(place, step.branch);
  if (branch === undefined) return;
  const history = place.branches.get(branch);
  if (history === undefined) return;
  const bad = firstDamaged(place, branch);
  switch (step.kind) {
    case "append":
      // Nothing can follow a frame that cannot be read.
      if (isDamaged(place, branch, history.frames.length - 1)) return;
      return appendToBranch(place, branch, step.lengths);
    case "fork": {
      const count = 1 + (step.place % history.units.length);
      if (place.branches.has(step.name)) return;
      if (bad !== undefined && forkOf(history, count).frames.length > bad) return;
      return forkBranch(place, branch, count, step.name);
    }
    case "damage":
      return damageFrame(place, branch, step.frame, step.at);
    case "delete":
      await store.deleteBranch(branch);
      place.branches.delete(branch);
      return;
    case "rename":
      if (place.branches.has(step.name)) return;
      await store.renameBranch(branch, step.name);
      place.branches.delete(branch);
      place.branches.set(step.name, history);
  }
}

/** The name of a branch at a server, if it has any. */
function pick({ branches }: Place, number: number): string | undefined {
  const names = [...branches.keys()].sort();
  return names[number % names.length];
}

test("whatever three servers do, and wherever a connection breaks, their branches are the model's", async (t) => {
  t.timeout(3_600_000);
  const property = fc.asyncProperty(
    fc.array(operation, { minLength: 10, maxLength: 60, size: "max" }),
    async (steps) => {
      const places: Place[] = [];
      try {
        for (let i = 0; i < 3; i++) places.push(await makePlace());
        for (const step of steps) {
          await run(places, step);
          for (const place of places) await assertPlace(place);
        }
        for (const place of places) {
          await place.files.store.collectGarbage(true, true);
          await place.files.reopen();
          await assertPlace(place);
        }
      } catch (error) {
        // What the end of a place says may follow from it.
        await Promise.allSettled(places.map((place) => place.remove()));
        throw error;
      }
      for (const place of places) await place.remove();
    },
  );
  const { MODEL_SEED: seed, MODEL_PATH: path } = process.env;
  const result = await fc.check(property, {
    numRuns: RUNS,
    interruptAfterTimeLimit: MOST_MS,
    markInterruptAsFailure: false,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  });
  if (result.failed) t.fail(`${(result.errorInstance as Error).stack}\n${fc.defaultReportMessage(result)}`);
  else t.pass();
});
