import test, { type ExecutionContext } from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { call } from "../../src/server/call.js";
import type { Store } from "../../src/timeline/store.js";
import { temporaryServer } from "../support/temporary-server.js";
import { continueChain, writeChain } from "../support/temporary-store.js";

const commands = PageServerService.method;
const STATES = 4;

/** state-0 to state-3, each a few frames longer than the one before. */
async function fillStates(store: Store): Promise<void> {
  let branch = await store.createBranch("state-0", await writeChain(store));
  for (let i = 1; i < STATES; i++) {
    const fork = await store.forkBranch(`state-${i}`, branch, branch.head);
    branch = await store.advanceBranch(fork.name, fork.head, await continueChain(store, fork, 3));
  }
}

function isBranchPush({ command }: { command?: string }): boolean {
  return command?.startsWith("branch_push ") === true;
}

/** A page server that has the states, two that have none yet, and what the tests do with them. */
async function stage(t: ExecutionContext) {
  const feeder = await temporaryServer({ fill: fillStates });
  t.teardown(feeder.remove);
  const [here, there] = [await temporaryServer(), await temporaryServer()];
  t.teardown(here.remove);
  t.teardown(there.remove);
  const [local, follower, far] = [await here.connect(), await here.connect(), await there.connect()];
  const farSeq = async () => (await call(far, commands.branchShow, { branch: "main" })).head?.seq;
  return {
    here,
    there,
    local,
    pull: (state: number) =>
      call(local, commands.performPull, { branch: "main", uri: feeder.uri, sourceBranch: `state-${state}` }),
    push: (follow: boolean) => {
      const pushing = call(follower, commands.performPush, { branch: "main", uri: there.uri, follow });
      pushing.catch(() => {});
      return pushing;
    },
    async farReaches(seq: bigint | undefined) {
      for (let i = 0; i < 500 && (await farSeq().catch(() => undefined)) !== seq; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return (await farSeq()) === seq;
    },
  };
}

test("a push that follows brings each move of its branch to the destination, and ends with its page server", async (t) => {
  const { here, there, local, pull, push, farReaches } = await stage(t);
  await pull(0);
  const following = push(true);
  for (let state = 1; state < STATES; state++) {
    const { head } = await pull(state);
    t.true(await farReaches(head?.seq));
  }
  await local.close();
  await here.server.close(); // ends the following, which answers what it has pushed
  const pushed = await following;
  t.is(pushed.decision, Decision.CREATE);
  t.is(pushed.frames, 6n + 3n * BigInt(STATES - 1));
  t.false(there.logged.some((line) => line.includes("command failed")));
  const about = () => there.logged.map((line) => JSON.parse(line)).filter(isBranchPush);
  for (let i = 0; i < 500 && about().length < 2; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  const [once, rest, ...more] = about();
  t.like(once, { text: "command done", decision: "CREATE", frames: 6 });
  t.like(rest, { text: "command repeated", frames: 3 * (STATES - 1) });
  t.true(rest.times >= STATES - 1);
  t.deepEqual(more, []);
});

test("a push that follows from a branch that was up to date says what it has pushed since", async (t) => {
  const { here, local, pull, push, farReaches } = await stage(t);
  const { head: before } = await pull(0);
  await push(false);
  const following = push(true);
  const { head } = await pull(1);
  t.true(await farReaches(head?.seq));
  await local.close();
  await here.server.close();
  const pushed = await following;
  t.is(pushed.decision, Decision.FAST_FORWARD);
  t.deepEqual([pushed.frames, pushed.startLsn], [3n, before?.lsn]);
  t.deepEqual(pushed.head, head);
});

test("a push that follows ends when its branch gets another name, or is deleted", async (t) => {
  for (const going of ["renamed", "deleted"]) {
    const { local, pull, push, farReaches } = await stage(t);
    const { head } = await pull(0);
    const following = push(true);
    t.true(await farReaches(head?.seq));
    if (going === "renamed") await call(local, commands.branchRename, { name: "main", newName: "other" });
    else await call(local, commands.branchDelete, { name: "main" });
    await t.throwsAsync(following, { code: "undefined_object" });
  }
});
