import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
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

test("a push that follows brings each move of its branch to the destination, and ends with its page server", async (t) => {
  const feeder = await temporaryServer({ fill: fillStates });
  t.teardown(feeder.remove);
  const [here, there] = [await temporaryServer(), await temporaryServer()];
  t.teardown(here.remove);
  t.teardown(there.remove);
  const [local, follower, far] = [await here.connect(), await here.connect(), await there.connect()];
  const pull = (state: number) =>
    call(local, commands.performPull, { branch: "main", uri: feeder.uri, sourceBranch: `state-${state}` });
  const farSeq = async () => (await call(far, commands.branchShow, { branch: "main" })).head?.seq;
  await pull(0);
  const following = call(follower, commands.performPush, { branch: "main", uri: there.uri, follow: true });
  following.catch(() => {});
  for (let state = 1; state < STATES; state++) {
    const { head } = await pull(state);
    for (let i = 0; i < 500 && (await farSeq().catch(() => undefined)) !== head?.seq; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    t.is(await farSeq(), head?.seq);
  }
  for (const connection of [local, far]) await connection.close();
  await here.server.close(); // ends the following, which answers what it has pushed
  const pushed = await following;
  t.is(pushed.frames, 6n + 3n * BigInt(STATES - 1));
});
