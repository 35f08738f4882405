import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../../../src/errors.js";
import { formatLsn } from "../../../src/lsn.js";
import { branchSink, type SinkOptions } from "../../../src/sync/branch-sink.js";
import { branchSource } from "../../../src/sync/branch-source.js";
import type { Outcome } from "../../../src/sync/outcome.js";
import type { Sink } from "../../../src/sync/party.js";
import { receive } from "../../../src/sync/receive.js";
import { send } from "../../../src/sync/send.js";
import type { Base } from "../../../src/timeline/base.js";
import type { Store } from "../../../src/timeline/store.js";
import { firstDamaged, repairedWith, wholeBranches } from "./damage.js";
import { compareHistories, endLsn, framesMissing, type History } from "./history.js";
import type { Transfer } from "./operations.js";
import { assertEqual, type Place } from "./world.js";

/** More rounds of narrowing than any chain needs here. */
const MOST_ROUNDS = 2;
/** Frames after which a receiver makes them durable. */
const FRAMES_PER_SYNC = 3;
const FREE = [Decision.CREATE, Decision.FAST_FORWARD];

/** What a transfer has to come to if nothing breaks off. */
interface Expectation {
  readonly decision: Decision;
  readonly commonLsn: bigint | undefined;
  /** Whether the receiver wants the frames. */
  readonly accepted: boolean;
  /** Whether it is refused before any decision, since the lease does not hold. */
  readonly stale: boolean;
  readonly dryRun: boolean;
  /** Name under which the receiver keeps what a forced branch pointed to. */
  readonly recovery: string | undefined;
  /** The most frames that may travel. */
  readonly mostFrames: number;
}

/** Runs a push or pull of the branch called `branch`, and moves the model to where the servers have to be. */
export async function runTransfer(
  from: Place,
  to: Place,
  branch: string,
  operation: Transfer,
): Promise<void> {
  const source = from.branches.get(branch) as History;
  const name = operation.name ?? branch;
  const expected = expect(source, to, name, operation);
  const before = to.branches.get(name);
  const bad = firstDamaged(from, branch);
  const unsound = bad !== undefined;
  const [whole, repaired] = [wholeBranches(to), before === undefined ? [] : repairedWith(to, name)];
  let rounds = 0;
  const acknowledged = new Set<string>();
  const sender = branchSource(from.files.store, from.files.store.requireBranch(branch));
  const sink = counting(branchSink(acknowledging(to.files.store), name, sinkOptions(operation, before)), {
    asked: () => rounds++,
    durable: (seq) => {
      // A header that was changed is another frame to the receiver, until the last one names another head.
      const count = Math.min(Number(seq) + 1, bad ?? source.frames.length);
      for (const { digest } of source.frames.slice(0, count)) acknowledged.add(digest);
    },
  });
  const sending = (stream: Parameters<typeof send>[0]["stream"], signal?: AbortSignal) =>
    send({ stream, source: sender, signal, dryRun: operation.mode === "dry run of the sender" });
  const receiving = (stream: Parameters<typeof send>[0]["stream"], signal?: AbortSignal) =>
    receive({ stream, sink, signal });
  // Whoever is dialled listens on a socket of its own.
  const [talks, listener] =
    operation.way === "push"
      ? [{ dialled: sending, served: receiving }, to]
      : [{ dialled: receiving, served: sending }, from];
  const crash = async () => {
    if (operation.crash) await to.files.store.close();
  };
  let cut = false;
  const results = await listener.converse(talks, operation.cut, async () => {
    cut = true;
    await crash();
  });
  if (rounds > MOST_ROUNDS) throw new Error(`${rounds} rounds of narrowing`);
  if (cut && operation.crash) await to.files.reopen();
  const moves = expected.accepted && !expected.dryRun && !expected.stale;
  const failed = [results.dialled, results.served].find(({ status }) => status === "rejected");
  if (cut || (unsound && failed !== undefined && !expected.stale)) {
    // Where the branch stands tells on which side of its one transaction the cut came.
    const head = to.files.store.getBranch(name)?.head;
    const last = source.frames.at(-1);
    const moved = head?.digest.toString("hex") === last?.digest && head?.lsn === endLsn(source);
    if (moved && moves) move(to, name, source, expected);
    // What a branch stands on is kept by the branch alone; what broke off is kept for the next attempt.
    else for (const digest of acknowledged) to.acknowledged.add(digest);
    assertWholeStill(to, whole);
    if (operation.again && cut) await runTransfer(from, to, branch, { ...operation, cut: undefined });
    return;
  }
  if (expected.stale) return unsound ? undefined : assertStale(results);
  for (const result of [results.dialled, results.served]) {
    if (result.status === "rejected") throw result.reason;
    assertOutcome(result.value as Outcome, source, before, expected);
  }
  if (!moves) return;
  move(to, name, source, expected);
  assertWholeStill(to, whole);
  assertEqual(`damage of ${name}`, firstDamaged(to, name), undefined);
  if (expected.recovery === undefined)
    for (const other of repaired) {
      assertEqual(`damage of ${other}, which ${name} was repaired with`, firstDamaged(to, other), undefined);
    }
}

/** Whatever a transfer repairs or leaves, no branch comes to stand on damage by it. */
function assertWholeStill(to: Place, whole: readonly string[]): void {
  for (const name of whole) assertEqual(`damage of ${name}`, firstDamaged(to, name), undefined);
}

function expect(source: History, to: Place, name: string, { mode }: Transfer): Expectation {
  const before = to.branches.get(name);
  const { decision, commonLsn } = compareHistories(source, before);
  const force = mode === "force" || mode === "lease";
  const forced = force && ![...FREE, Decision.UP_TO_DATE].includes(decision);
  const known = new Set(to.acknowledged);
  for (const [at, { frames }] of to.branches) {
    for (const { digest } of frames.slice(0, firstDamaged(to, at))) known.add(digest);
  }
  const repairs = decision === Decision.UP_TO_DATE && firstDamaged(to, name) !== undefined;
  return {
    decision,
    commonLsn,
    accepted: FREE.includes(decision) || forced || repairs,
    stale: mode === "stale lease" || (mode === "lease" && before === undefined),
    dryRun: mode === "dry run of the sender" || mode === "dry run of the receiver",
    recovery: forced && before !== undefined ? recoveryName(to, name, before) : undefined,
    mostFrames: framesMissing(source, known),
  };
}

function recoveryName(to: Place, name: string, before: History): string {
  const stem = `${name}-before-${before.frames.at(-1)?.digest.slice(0, 8)}`;
  let recovery = stem;
  for (let i = 2; to.branches.has(recovery); i++) {
    if (sameHead(to.branches.get(recovery) as History, before)) break;
    recovery = `${stem}-${i}`;
  }
  return recovery;
}

function sameHead(one: History, other: History): boolean {
  return one.frames.at(-1)?.digest === other.frames.at(-1)?.digest && endLsn(one) === endLsn(other);
}

function move(to: Place, name: string, source: History, { recovery }: Expectation): void {
  const before = to.branches.get(name);
  if (recovery !== undefined && before !== undefined) to.branches.set(recovery, before);
  to.branches.set(name, source);
}

function sinkOptions({ mode }: Transfer, before: History | undefined): SinkOptions {
  if (mode === "lease") return { expected: before === undefined ? "0/0" : formatLsn(endLsn(before)) };
  if (mode === "stale lease") return { expected: "0/1" };
  return { force: mode === "force", dryRun: mode === "dry run of the receiver" };
}

function counting(sink: Sink, calls: { asked(): void; durable(seq: bigint): void }): Sink {
  return {
    ...sink,
    answer: (offer, ask) =>
      sink.answer(offer, (seqs) => {
        calls.asked();
        return ask(seqs);
      }),
    begin: (onDurable) =>
      sink.begin((seq) => {
        calls.durable(seq);
        onDurable(seq);
      }),
  };
}

/** A store whose appenders make frames durable, and so acknowledged, while tiny ones still come in. */
function acknowledging(store: Store): Store {
  return new Proxy(store, {
    get: (_target, key: keyof Store) => {
      const value = store[key];
      if (key !== "appendFrames") return typeof value === "function" ? value.bind(store) : value;
      return (base?: Base) => {
        const appender = store.appendFrames(base);
        const append = appender.append.bind(appender);
        appender.append = async (...frame) => {
          await append(...frame);
          if (appender.frames % FRAMES_PER_SYNC === 1) await appender.flush();
        };
        return appender;
      };
    },
  });
}

function assertStale(results: {
  dialled: PromiseSettledResult<unknown>;
  served: PromiseSettledResult<unknown>;
}): void {
  for (const result of [results.dialled, results.served]) {
    const state = result.status === "rejected" ? NeonError.from(result.reason).sqlstate : "accepted";
    assertEqual("a lease that does not hold", state, "40001");
  }
}

function assertOutcome(
  outcome: Outcome,
  source: History,
  before: History | undefined,
  { decision, commonLsn, accepted, dryRun, recovery, mostFrames }: Expectation,
): void {
  assertEqual("decision", Decision[outcome.decision], Decision[decision]);
  assertEqual("accepted", outcome.accepted, accepted);
  assertEqual("dry run", outcome.accepted && outcome.dryRun, accepted && dryRun);
  assertEqual("recovery branch", outcome.recoveryBranch, recovery);
  if (decision !== Decision.UP_TO_DATE && decision !== Decision.CREATE) {
    assertEqual("common LSN", outcome.divergence.common?.lsn, commonLsn);
  }
  const after = accepted && !dryRun ? source : before;
  assertEqual("head", outcome.head?.lsn, after && endLsn(after));
  if (outcome.frames > (accepted ? mostFrames : 0)) {
    throw new Error(`${outcome.frames} frames travelled where ${mostFrames} were missing`);
  }
}
