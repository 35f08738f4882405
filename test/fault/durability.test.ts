import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import type { NeonError } from "../../src/errors.js";
import { decodeControl } from "../../src/sync/session.js";
import type { Branch } from "../../src/timeline/store.js";
import { neon, temporaryRepository } from "../cli/support/neon.js";
import { type TemporaryStore, temporaryStore, writeChain } from "../support/temporary-store.js";
import { assertWhole } from "./support/assert-whole.js";
import { pushFromHere } from "./support/push-from-here.js";
import { segments, startServer } from "./support/repository.js";
import { strace } from "./support/strace.js";
import { bytesOf, parseSystemCalls, type SystemCall } from "./support/system-calls.js";

const STRACE = findTool("strace");
const traced = STRACE === undefined ? test.skip : test;

/** 36 MB of frames: the receiver makes them durable in several steps. */
async function largeBranch(t: ExecutionContext): Promise<{ here: TemporaryStore; branch: Branch }> {
  const here = await temporaryStore();
  t.teardown(here.remove);
  const chain = await writeChain(here.store, { frames: 120, frameBytes: 600_000 });
  return { here, branch: await here.store.createBranch("main", chain) };
}

interface Acknowledgement {
  readonly seq: number;
  readonly call: SystemCall;
}

/** The acknowledgements that left, each with the call that sent it, and the call that sent Committed. */
function sentMessages(calls: readonly SystemCall[]): {
  acknowledged: Acknowledgement[];
  committed: SystemCall;
} {
  const acknowledged: Acknowledgement[] = [];
  let committed: SystemCall | undefined;
  for (const call of calls.filter(({ words }) => /^\d+<TCP:/.test(words))) {
    const bytes = bytesOf(call);
    for (let offset = 0; bytes[offset] === 0x64 && offset + 5 <= bytes.length; ) {
      const end = offset + 1 + bytes.readInt32BE(offset + 1);
      const message = decodeControl(bytes.subarray(offset + 5, end));
      if (message.case === "acknowledgement") acknowledged.push({ seq: Number(message.value.seq), call });
      if (message.case === "committed") committed = call;
      offset = end;
    }
  }
  if (committed === undefined) throw new Error("Committed was not seen");
  return { acknowledged, committed };
}

traced(
  "a frame is acknowledged only when its segment, the name of that and the index are on disk",
  async (t) => {
    const { here, branch } = await largeBranch(t);
    const there = await temporaryRepository(t);
    const { pid, port } = await startServer(there);
    const trace = "write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync";
    const tracing = await strace(t, STRACE ?? "", pid, "-yy", "-x", "-s", "256", "-e", `trace=${trace}`);
    await pushFromHere(t, here.store, branch, port);
    const calls = parseSystemCalls(await tracing.detach());

    const on = (path: RegExp, names: RegExp) =>
      calls.filter(({ name, words, result: code }) => code >= 0 && names.test(name) && path.test(words));
    const writes = on(/^\d+<[^>]*\/segments\/[0-9a-f]{32}>/, /write/);
    const syncs = on(/^\d+<[^>]*\/segments\/[0-9a-f]{32}>/, /sync/);
    const directorySyncs = on(/^\d+<[^>]*\/segments>/, /sync/);
    // LMDB's commit ends with its meta page, through a descriptor that writes synchronously.
    const commits = on(/^\d+<[^>]*\/data\.mdb>/, /pwrite/);
    const reader = here.store.reader(branch);
    /** Whether so many bytes of the segment were on disk, and its name, before a commit that ended before `call`. */
    const isDurable = (bytes: number, call: SystemCall) =>
      commits.some(
        (commit) =>
          commit.end < call.begin &&
          directorySyncs.some(({ end }) => end < commit.begin) &&
          syncs.some((sync) => {
            const before = writes.filter(({ end }) => end < sync.begin);
            return sync.end < commit.begin && before.reduce((sum, write) => sum + write.result, 0) >= bytes;
          }),
      );
    const { acknowledged, committed } = sentMessages(calls);
    t.true(acknowledged.length >= 2, `${acknowledged.length} acknowledgements`);
    t.is(acknowledged.at(-1)?.seq, branch.head.seq);
    for (const { seq, call } of acknowledged) {
      t.true(isDurable(await reader.bytes(0, seq), call), `frame ${seq}`);
    }
    t.true(isDurable(branch.bytes + 1, committed), "the footer");
  },
);

traced("after a sync that failed, nothing that was written since the last good one counts", async (t) => {
  const { here, branch } = await largeBranch(t);
  const there = await temporaryRepository(t);
  const { pid, port } = await startServer(there);
  let acknowledged = 0;
  let tell = () => {};
  const first = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let tracing: Awaited<ReturnType<typeof strace>> | undefined;
  const pushing = pushFromHere(t, here.store, branch, port, {
    onAcknowledged: (frames) => {
      acknowledged = frames;
      tell();
    },
    beforeRun: async (firstSeq) => {
      if (firstSeq < 60 || tracing !== undefined) return;
      await first;
      const [name] = await segments(there);
      const path = join(there, ".neon", "store", "segments", name);
      const options = ["-P", path, "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"];
      tracing = await strace(t, STRACE ?? "", pid, ...options);
    },
  });
  const error = await t.throwsAsync<NeonError>(pushing);
  t.is(error?.sqlstate, "58030", error?.message);
  t.true(acknowledged > 0 && acknowledged < branch.frames);
  t.deepEqual(await neon(there, "branch", "list", "--json").then(({ stdout }) => stdout), "[]\n");

  // The disk does not even take the footer. What was acknowledged counts all the same, and nothing else does.
  const { frames } = await pushFromHere(t, here.store, branch, port);
  t.is(frames, branch.frames - acknowledged);
  const injected = (await tracing?.detach())?.filter((line) => line.includes("INJECTED")) ?? [];
  t.true(injected.length >= 2, injected.join("\n"));
  process.kill(pid, "SIGKILL");
  await assertWhole(t, there, branch);
  await neon(there, "gc", "--all", "--no-branches");
  await assertWhole(t, there, branch);
  t.is((await segments(there)).length, 2);
});
