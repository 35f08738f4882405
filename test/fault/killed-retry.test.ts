import test, { type ExecutionContext } from "ava";
import type { Branch } from "../../src/timeline/store.js";
import { neon, temporaryRepository } from "../cli/support/neon.js";
import { type TemporaryStore, temporaryStore, writeChain } from "../support/temporary-store.js";
import { assertWhole } from "./support/assert-whole.js";
import { pushFromHere } from "./support/push-from-here.js";
import { segments, startServer } from "./support/repository.js";

/** 60 MB of frames: the receiver makes them durable in several steps. */
async function largeBranch(t: ExecutionContext): Promise<{ here: TemporaryStore; branch: Branch }> {
  const here = await temporaryStore();
  t.teardown(here.remove);
  const chain = await writeChain(here.store, { frames: 200, frameBytes: 600_000 });
  return { here, branch: await here.store.createBranch("main", chain) };
}

/** Pushes until the first acknowledgement and then says no more, without an end. Returns how many frames are acknowledged. */
async function pushAndHang(t: ExecutionContext, here: TemporaryStore, branch: Branch, port: number) {
  let firstSent = -1;
  let acknowledged = 0;
  await new Promise<void>((resolve, reject) => {
    pushFromHere(t, here.store, branch, port, {
      onAcknowledged: (frames) => {
        acknowledged = frames;
        resolve();
      },
      beforeRun: async (firstSeq) => {
        if (firstSent < 0) firstSent = firstSeq;
        if (firstSeq - firstSent > 80) await new Promise(() => {});
      },
    }).catch(reject);
  });
  return acknowledged;
}

test("kill -9 while a retry builds on a session that still hangs keeps what either had acknowledged", async (t) => {
  const { here, branch } = await largeBranch(t);
  const there = await temporaryRepository(t);
  const { pid, port } = await startServer(there);
  const first = await pushAndHang(t, here, branch, port);
  const second = await pushAndHang(t, here, branch, port);
  t.true(first > 0 && second > first && second < branch.frames, `${first}, ${second}`);
  t.true((await segments(there)).length > 1);
  process.kill(pid, "SIGKILL");
  const { port: again } = await startServer(there);
  t.is((await neon(there, "branch", "list", "--json")).stdout, "[]\n");
  const { frames } = await pushFromHere(t, here.store, branch, again);
  t.is(frames, branch.frames - second);
  await neon(there, "stop");
  await assertWhole(t, there, branch);
});

test("kill -9 after a retry has moved its branch keeps what the session that still hung had brought for it", async (t) => {
  const { here, branch } = await largeBranch(t);
  const there = await temporaryRepository(t);
  const { pid, port } = await startServer(there);
  const first = await pushAndHang(t, here, branch, port);
  const { frames } = await pushFromHere(t, here.store, branch, port);
  t.is(frames, branch.frames - first);
  process.kill(pid, "SIGKILL");
  await assertWhole(t, there, branch);
  await neon(there, "gc", "--all", "--no-branches");
  await assertWhole(t, there, branch);
});
