import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import { formatLsn } from "../../src/lsn.js";
import type { CopyBoth } from "../../src/pgwire/copy-both.js";
import { branchSink } from "../../src/sync/branch-sink.js";
import { branchSource } from "../../src/sync/branch-source.js";
import type { Sink, Source } from "../../src/sync/party.js";
import { receive } from "../../src/sync/receive.js";
import { assertAccepted } from "../../src/sync/refusal.js";
import { send } from "../../src/sync/send.js";
import type { Head } from "../../src/timeline/head.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { continueChain, endsOf, type TemporaryStore, writeChain } from "../support/temporary-store.js";
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

/** The head that a branch has `bytes` before the end of frame `seq`. */
async function headAt(store: Store, branch: Branch, seq: number, bytes = 0n): Promise<Head> {
  const { digest, header } = await store.reader(branch).frame(seq);
  return { seq, digest, lsn: header.endLsn - bytes };
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

/** What was received is kept for another attempt; nothing but that is kept. */
async function assertNothingLeft(t: ExecutionContext, there: TemporaryStore, files = 0): Promise<void> {
  const segments = () => readdir(join(there.path, "segments"));
  // The receiver puts its frames away after it has told the sender.
  for (let i = 0; i < 100; i++) {
    await there.store.collectGarbage(true, true);
    if ((await segments()).length === files) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.is((await segments()).length, files);
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
    t.notThrows(() => assertAccepted(again, "main", way));
  });

  test(`${way}: what differs is told apart, refused by name, and nothing moves`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const whole = await makeBranch(servers.here, "main", { frames: 30, frameBytes: 1000 });
    const older = await here.forkBranch("older", whole, await headAt(here, whole, 20));
    const left = await here.advanceBranch("older", older.head, await continueChain(here, older, 5));
    const separate = await makeBranch(servers.here, "separate", { frames: 3, frameBytes: 1000 });
    const unrelated = await here.createBranch("unrelated", await writeChain(here, { systemIdentifier: 8n }));
    await run(t, servers, way, branchSource(here, whole), branchSink(there, "main"));
    const cases: [Branch, Decision, RegExp, bigint | undefined][] = [
      [older, Decision.BEHIND, /is ahead/, older.head.lsn],
      [left, Decision.DIVERGED, /has diverged: the histories part at/, older.head.lsn],
      [separate, Decision.SEPARATE_IMPORT, /separate import/, undefined],
      [unrelated, Decision.UNRELATED, /another cluster/, undefined],
    ];
    const before = there.requireBranch("main");
    for (const [branch, decision, text, common] of cases) {
      const outcome = await run(t, servers, way, branchSource(here, branch), branchSink(there, "main"));
      t.is(outcome.decision, decision);
      t.deepEqual(outcome.head, before.head);
      t.is(outcome.divergence.common?.lsn, common);
      const error = t.throws<NeonError>(() => assertAccepted(outcome, "main", way), { message: text });
      t.is(error?.sqlstate, "55000");
      t.like(JSON.parse(error?.detail ?? ""), {
        decision: Decision[decision].toLowerCase(),
        common: common === undefined ? null : { lsn: formatLsn(common) },
        source: { digest: branch.head.digest.toString("hex") },
        destination: { lsn: formatLsn(before.head.lsn) },
      });
      t.deepEqual(there.requireBranch("main"), before);
    }
  });

  test(`${way}: a branch that has grown is fast-forwarded with the missing frames alone`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    let branch = await makeBranch(servers.here, "main", { frames: 500, frameBytes: 100 });
    await run(t, servers, way, branchSource(here, branch), branchSink(there, "main"));
    for (const frames of [1, 100, 3]) {
      branch = await here.advanceBranch("main", branch.head, await continueChain(here, branch, frames));
      const outcome = await run(t, servers, way, branchSource(here, branch), branchSink(there, "main"));
      t.is(outcome.decision, Decision.FAST_FORWARD);
      t.is(outcome.frames, frames);
      const arrived = there.requireBranch("main");
      t.deepEqual(arrived.head, branch.head);
      t.is(arrived.parent, undefined);
      t.is(arrived.bytes, branch.bytes);
      t.deepEqual(await digests(there, arrived), await digests(here, branch));
    }
  });

  test(`${way}: --force moves the branch, and what it pointed to is kept`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const whole = await makeBranch(servers.here, "main", { frames: 30, frameBytes: 1000 });
    const older = await here.forkBranch("older", whole, await headAt(here, whole, 20));
    const left = await here.advanceBranch("older", older.head, await continueChain(here, older, 5));
    const unrelated = await here.createBranch("unrelated", await writeChain(here, { systemIdentifier: 8n }));
    await run(t, servers, way, branchSource(here, whole), branchSink(there, "main"));
    for (const [branch, frames] of [
      [left, 5],
      [whole, 0],
      [older, 0],
      [unrelated, unrelated.frames],
    ] as const) {
      const before = there.requireBranch("main");
      const sink = branchSink(there, "main", { force: true });
      const outcome = await run(t, servers, way, branchSource(here, branch), sink);
      t.notThrows(() => assertAccepted(outcome, "main", way));
      t.is(outcome.frames, frames);
      t.deepEqual(there.requireBranch("main").head, branch.head);
      t.deepEqual(there.requireBranch(outcome.recoveryBranch ?? "").head, before.head);
      t.deepEqual(await digests(there, there.requireBranch("main")), await digests(here, branch));
    }
  });

  test(`${way}: forced back and forth, a branch leaves no second recovery branch at one head`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const one = await makeBranch(servers.here, "one", { frames: 3, frameBytes: 1000 });
    const two = await makeBranch(servers.here, "two", { frames: 4, frameBytes: 1000 });
    await run(t, servers, way, branchSource(here, one), branchSink(there, "main"));
    const kept: (string | undefined)[] = [];
    for (const branch of [two, one, two, one]) {
      const planned = branchSink(there, "main", { force: true, dryRun: true });
      const { recoveryBranch } = await run(t, servers, way, branchSource(here, branch), planned);
      const before = there.requireBranch("main").head;
      const sink = branchSink(there, "main", { force: true });
      const outcome = await run(t, servers, way, branchSource(here, branch), sink);
      t.is(outcome.recoveryBranch, recoveryBranch, "a dry run names another one");
      t.deepEqual(there.requireBranch(recoveryBranch ?? "").head, before);
      kept.push(recoveryBranch);
    }
    t.is(new Set(kept).size, 2);
    t.is(there.listBranches().length, 3);
  });

  test(`${way}: --force-with-lease moves the branch only from where it is expected`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const one = await makeBranch(servers.here, "one", { frames: 3, frameBytes: 1000 });
    const two = await makeBranch(servers.here, "two", { frames: 4, frameBytes: 1000 });
    await run(t, servers, way, branchSource(here, one), branchSink(there, "main"));
    for (const expected of ["0/1", "deadbeefdeadbeef", "deadbeef"]) {
      const sink = branchSink(there, "main", { expected });
      await t.throwsAsync(run(t, servers, way, branchSource(here, two), sink), { message: /expected/ });
      t.deepEqual(there.requireBranch("main").head, one.head);
    }
    for (const expected of ["zzz", "", "deadbee", "0/", "0/1/2"]) {
      t.throws(() => branchSink(there, "main", { expected }), { message: /is neither an LSN nor a digest/ });
    }
    await t.throwsAsync(
      run(t, servers, way, branchSource(here, two), branchSink(there, "fresh", { expected: "0/1" })),
      {
        message: /"fresh" is expected to stand somewhere, and does not exist/,
      },
    );
    const expected = one.head.digest.toString("hex").slice(0, 8).toUpperCase();
    await run(t, servers, way, branchSource(here, two), branchSink(there, "main", { expected }));
    t.deepEqual(there.requireBranch("main").head, two.head);
    const sink = branchSink(there, "main", { expected: formatLsn(two.head.lsn) });
    await run(t, servers, way, branchSource(here, one), sink);
    t.deepEqual(there.requireBranch("main").head, one.head);
  });

  test(`${way}: a dry run counts what would travel and moves nothing`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const branch = await makeBranch(servers.here, "main", { frames: 9, frameBytes: 1000 });
    const sink = branchSink(there, "main", { dryRun: true });
    const outcome = await run(t, servers, way, branchSource(here, branch), sink);
    t.true(outcome.dryRun);
    t.is(outcome.decision, Decision.CREATE);
    t.is(outcome.frames, 10);
    t.is(outcome.bytes, branch.bytes);
    t.is(outcome.startLsn, branch.start.walStartLsn);
    t.deepEqual(there.listBranches(), []);
    await assertNothingLeft(t, servers.there);
  });

  test(`${way}: a branch of which a prefix is here under another name arrives as a fork`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const main = await makeBranch(servers.here, "main", { frames: 200, frameBytes: 100 });
    await run(t, servers, way, branchSource(here, main), branchSink(there, "trunk"));
    const dev = await here.forkBranch("dev", main, await headAt(here, main, 150, 40n));
    const grown = await here.advanceBranch("dev", dev.head, await continueChain(here, dev, 7));
    const outcome = await run(t, servers, way, branchSource(here, grown), branchSink(there, "dev"));
    t.is(outcome.decision, Decision.CREATE);
    t.is(outcome.frames, 7);
    const arrived = there.requireBranch("dev");
    t.is(arrived.parent, "trunk");
    t.is(arrived.ownBytes, outcome.bytes);
    t.deepEqual(await digests(there, arrived), await digests(here, grown));
    await there.deleteBranch("trunk");
    await there.collectGarbage(true, true);
    t.deepEqual(await digests(there, arrived), await digests(here, grown));
  });

  test(`${way}: an attempt after one that broke off sends only what was not acknowledged`, async (t) => {
    const servers = await twoServers(t);
    const [here, there] = [servers.here.store, servers.there.store];
    const branch = await makeBranch(servers.here, "main", { frames: 120, frameBytes: 600_000 });
    const source = branchSource(here, branch);
    let acknowledged = 0;
    const sink = branchSink(there, "main");
    const counting: Sink = {
      ...sink,
      begin: (onDurable) =>
        sink.begin((seq) => {
          acknowledged = Number(seq) + 1;
          onDurable(seq);
        }),
    };
    const cutting: Source = {
      ...source,
      runs: async function* (firstSeq) {
        for await (const run of source.runs(firstSeq)) {
          yield run;
          while (run.lastSeq > 90 && acknowledged === 0)
            await new Promise((resolve) => setTimeout(resolve, 10));
          if (run.lastSeq > 90) await servers.cut();
        }
      },
    };
    await t.throwsAsync(run(t, servers, way, cutting, counting));
    for (let i = 0; i < 100; i++) {
      if ((await endsOf(there, (await here.reader(branch).frame(0)).digest)).length > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    t.is(there.getBranch("main"), undefined);
    t.true(acknowledged > 0 && acknowledged < branch.frames);
    await servers.there.reopen();
    const again = await run(
      t,
      servers,
      way,
      branchSource(here, branch),
      branchSink(servers.there.store, "main"),
    );
    t.true(again.frames <= branch.frames - acknowledged, `${again.frames}, ${acknowledged}`);
    const arrived = servers.there.store.requireBranch("main");
    t.deepEqual(await digests(servers.there.store, arrived), await digests(here, branch));
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
  t.is(loser.reason.sqlstate, "40001");
  t.regex(loser.reason.message, /^branch "main" was created meanwhile/);
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
