import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import type { CopyBoth } from "../../src/pgwire/copy-both.js";
import { branchSink } from "../../src/sync/branch-sink.js";
import { branchSource } from "../../src/sync/branch-source.js";
import type { Sink, Source } from "../../src/sync/party.js";
import { receive } from "../../src/sync/receive.js";
import { assertAccepted } from "../../src/sync/refusal.js";
import { send } from "../../src/sync/send.js";
import { decodeFrame } from "../../src/timeline/frame.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { type TemporaryStore, writeChain } from "../support/temporary-store.js";
import { type TwoServers, twoServers } from "./two-servers.js";

const SIZE = { frames: 40, frameBytes: 200_000 };

async function digests(store: Store, branch: Branch): Promise<string[]> {
  const all: string[] = [];
  for await (const { digest } of store.reader(branch).frames()) all.push(digest.toString("hex"));
  return all;
}

async function makeBranch({ store }: TemporaryStore, name: string, options = SIZE): Promise<Branch> {
  return store.createBranch(name, await writeChain(store, options));
}

/** The first `frames` frames of a branch of `from` become branch `name` of `to`. */
async function copyPrefix(
  from: Store,
  branch: Branch,
  to: Store,
  name: string,
  frames: number,
): Promise<Branch> {
  const appender = to.appendFrames();
  for await (const frame of from.reader(branch).frames()) {
    if (Number(frame.header.seq) < frames) await appender.append(decodeFrame(Buffer.concat(frame.parts)));
  }
  return to.createBranch(name, appender);
}

/** Runs a session in which the end that dialled is the sender (push) or the receiver (pull). */
async function run(
  t: ExecutionContext,
  servers: TwoServers,
  way: "push" | "pull",
  source: Source,
  sink: Sink,
) {
  const work = {
    push: {
      dialled: (stream: CopyBoth) => send({ stream, source }),
      served: (stream: CopyBoth, signal: AbortSignal) => receive({ stream, sink, signal }),
    },
    pull: {
      dialled: (stream: CopyBoth) => receive({ stream, sink }),
      served: (stream: CopyBoth, signal: AbortSignal) => send({ stream, source, signal }),
    },
  }[way];
  let served: Promise<unknown> | undefined;
  const stream = await servers.dial((other, signal) => {
    served = work.served(other, signal);
    return served;
  });
  const outcome = await work.dialled(stream);
  await stream.finish();
  t.deepEqual(await served, outcome);
  return outcome;
}

async function assertNothingLeft(t: ExecutionContext, there: TemporaryStore, files = 0): Promise<void> {
  // The receiver deletes after it has told the sender.
  for (let i = 0; i < 100; i++) {
    if ((await readdir(join(there.path, "segments"))).length === files) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.is((await readdir(join(there.path, "segments"))).length, files);
}

for (const way of ["push", "pull"] as const) {
  test(`${way}: a branch that the receiver lacks arrives whole, under the name of the sink`, async (t) => {
    const servers = await twoServers(t);
    const branch = await makeBranch(servers.here, "main");
    const source = branchSource(servers.here.store, branch);
    const outcome = await run(t, servers, way, source, branchSink(servers.there.store, "other"));
    t.is(outcome.decision, Decision.CREATE);
    t.is(outcome.frames, branch.frames);
    t.is(outcome.bytes, branch.bytes);
    const arrived = servers.there.store.requireBranch("other");
    t.deepEqual(arrived.head, branch.head);
    t.deepEqual(arrived.start, branch.start);
    t.deepEqual(await digests(servers.there.store, arrived), await digests(servers.here.store, branch));
  });

  test(`${way}: the same head is up to date, and nothing travels`, async (t) => {
    const servers = await twoServers(t);
    const branch = await makeBranch(servers.here, "main");
    const source = branchSource(servers.here.store, branch);
    await run(t, servers, way, source, branchSink(servers.there.store, "main"));
    const again = await run(t, servers, way, source, branchSink(servers.there.store, "main"));
    t.is(again.decision, Decision.UP_TO_DATE);
    t.is(again.frames, 0);
    t.notThrows(() => assertAccepted(again, "main"));
  });

  test(`${way}: every other case is told apart, refused by name, and moves nothing`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const whole = await makeBranch(servers.here, "main", { frames: 30, frameBytes: 1000 });
    const older = await copyPrefix(here, whole, here, "older", 20);
    const separate = await makeBranch(servers.here, "separate", { frames: 3, frameBytes: 1000 });
    const unrelated = await here.createBranch("unrelated", await writeChain(here, { systemIdentifier: 8n }));
    await copyPrefix(here, whole, there, "at-20", 20);
    await copyPrefix(here, whole, there, "at-30", 31);
    const cases: [Branch, string, Decision, RegExp][] = [
      [whole, "at-20", Decision.FAST_FORWARD, /fast-forward/],
      [older, "at-30", Decision.BEHIND, /behind/],
      [separate, "at-30", Decision.SEPARATE_IMPORT, /separate import/],
      [unrelated, "at-30", Decision.UNRELATED, /unrelated/],
    ];
    for (const [branch, name, decision, text] of cases) {
      const before = there.requireBranch(name);
      const outcome = await run(t, servers, way, branchSource(here, branch), branchSink(there, name));
      t.is(outcome.decision, decision);
      t.deepEqual(outcome.head, before.head);
      t.throws(() => assertAccepted(outcome, name), { code: "feature_not_supported", message: text });
      t.deepEqual(there.requireBranch(name), before);
    }
  });

  test(`${way}: a frame that is damaged on the way is refused, and nothing stays`, async (t) => {
    const servers = await twoServers(t);
    const source = branchSource(servers.here.store, await makeBranch(servers.here, "main"));
    const damaging: Source = {
      ...source,
      runs: async function* (firstSeq) {
        for await (const run of source.runs(firstSeq)) {
          if (run.lastSeq === source.head.seq) run.messages[run.messages.length - 100] ^= 1;
          yield run;
        }
      },
    };
    await t.throwsAsync(run(t, servers, way, damaging, branchSink(servers.there.store, "main")), {
      message: /frame 40 is damaged/,
    });
    t.is(servers.there.store.getBranch("main"), undefined);
    await assertNothingLeft(t, servers.there);
  });

  test(`${way}: frames that do not end at the offered head are refused`, async (t) => {
    const servers = await twoServers(t);
    const source = branchSource(servers.here.store, await makeBranch(servers.here, "main"));
    const lying: Source = { ...source, head: { ...source.head, digest: Buffer.alloc(32, 1) } };
    await t.throwsAsync(run(t, servers, way, lying, branchSink(servers.there.store, "main")), {
      message: /do not end at the head/,
    });
    await assertNothingLeft(t, servers.there);
  });

  test(`${way}: a connection that is cut in the middle fails at both ends and leaves nothing`, async (t) => {
    const servers = await twoServers(t);
    const source = branchSource(servers.here.store, await makeBranch(servers.here, "main"));
    const cutting: Source = {
      ...source,
      runs: async function* (firstSeq) {
        for await (const run of source.runs(firstSeq)) {
          if (run.lastSeq > 20) await servers.cut();
          yield run;
        }
      },
    };
    const error = await t.throwsAsync<NeonError>(
      run(t, servers, way, cutting, branchSink(servers.there.store, "main")),
    );
    t.regex(error?.sqlstate ?? "", /^(08006|57)/);
    t.is(servers.there.store.getBranch("main"), undefined);
    await assertNothingLeft(t, servers.there);
  });
}

test("of two pushes that create one branch one wins and the other is told", async (t) => {
  const servers = await twoServers(t);
  const one = branchSource(servers.here.store, await makeBranch(servers.here, "one"));
  const two = branchSource(servers.here.store, await makeBranch(servers.here, "two"));
  const results = await Promise.allSettled([
    run(t, servers, "push", one, branchSink(servers.there.store, "main")),
    run(t, servers, "push", two, branchSink(servers.there.store, "main")),
  ]);
  t.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const winner = results[0].status === "fulfilled" ? one : two;
  t.deepEqual(servers.there.store.requireBranch("main").head, winner.head);
  const loser = results.find((result) => result.status === "rejected") as PromiseRejectedResult;
  t.is(loser.reason.sqlstate, "42710");
  await assertNothingLeft(t, servers.there, 1);
});

test("an aborted push ends at both ends and leaves nothing", async (t) => {
  const servers = await twoServers(t);
  const source = branchSource(servers.here.store, await makeBranch(servers.here, "main"));
  const controller = new AbortController();
  const aborting: Source = {
    ...source,
    runs: async function* (firstSeq) {
      for await (const run of source.runs(firstSeq)) {
        yield run;
        controller.abort();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
  const sink = branchSink(servers.there.store, "main");
  const stream = await servers.dial((other, signal) => receive({ stream: other, sink, signal }));
  await t.throwsAsync(send({ stream, source: aborting, signal: controller.signal }), {
    code: "query_canceled",
  });
  await assertNothingLeft(t, servers.there);
  t.is(servers.there.store.getBranch("main"), undefined);
});

test("a sender without a common protocol version is told so", async (t) => {
  const servers = await twoServers(t);
  const sink = branchSink(servers.there.store, "main");
  const stream = await servers.dial((other, signal) => receive({ stream: other, sink, signal }));
  // SessionMessage { hello { min_version: 7, max_version: 9, software: "x" } }
  await stream.write(Buffer.of(0x0a, 7, 0x08, 7, 0x10, 9, 0x32, 1, 0x78));
  const error = await t.throwsAsync<NeonError>(async () => {
    for await (const _ of stream.read());
  });
  t.is(error?.sqlstate, "0A000");
});

for (const [name, bytes] of Object.entries({
  "an answer": Buffer.of(0x1a, 2, 0x08, 1),
  "no known message": Buffer.of(0x7a, 0),
  "no protobuf": Buffer.of(0xff, 0xff, 0xff),
  "an empty message": Buffer.alloc(0),
})) {
  test(`a session that begins with ${name} is a protocol violation`, async (t) => {
    const servers = await twoServers(t);
    const sink = branchSink(servers.there.store, "main");
    const stream = await servers.dial((other, signal) => receive({ stream: other, sink, signal }));
    await stream.write(bytes);
    const error = await t.throwsAsync<NeonError>(async () => {
      for await (const _ of stream.read());
    });
    t.is(error?.sqlstate, "08P01");
  });
}
