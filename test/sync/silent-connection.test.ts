import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import type { CopyBoth } from "../../src/pgwire/copy-both.js";
import { listen } from "../../src/pgwire/listener.js";
import { branchSink } from "../../src/sync/branch-sink.js";
import { branchSource } from "../../src/sync/branch-source.js";
import type { Outcome } from "../../src/sync/outcome.js";
import type { Sink } from "../../src/sync/party.js";
import { receive } from "../../src/sync/receive.js";
import { send } from "../../src/sync/send.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { type SilentProxy, silentProxy } from "../support/silent-proxy.js";
import { type TemporaryStore, temporaryStore, writeChain } from "../support/temporary-store.js";

type Way = "push" | "pull";

/** A session that runs. */
interface Running {
  readonly outcome: Promise<Outcome>;
  /** What becomes of the end that was dialled. */
  served(): Promise<unknown>;
  readonly proxy: SilentProxy;
  /** Frames that the receiver has acknowledged. */
  acknowledged(): number;
}

/** What a sink's frames pass before they are taken. */
type Gate = (seq: number) => Promise<void>;

interface BeginOptions {
  readonly gate?: Gate;
  readonly onAcknowledged?: () => void;
  readonly silenceMs?: number;
  /** How fast the sender may send and the receiver may take. */
  readonly bytesPerSecond?: { readonly sender?: number; readonly receiver?: number };
}

/** Begins to bring `branch` to the other store, as `main`, over a TCP connection of its own. */
async function begin(
  t: ExecutionContext,
  way: Way,
  [here, there]: readonly [TemporaryStore, TemporaryStore],
  branch: Branch,
  { gate = async () => {}, onAcknowledged = () => {}, silenceMs, bytesPerSecond }: BeginOptions = {},
): Promise<Running> {
  const source = branchSource(here.store, branch);
  const inner = branchSink(there.store, "main");
  let acknowledged = 0;
  const sink: Sink = {
    ...inner,
    begin: (onDurable) =>
      inner.begin((seq) => {
        acknowledged = Number(seq) + 1;
        onDurable(seq);
        onAcknowledged();
      }),
    append: async (frame, release) => {
      await gate(Number(frame.header.seq));
      await inner.append(frame, release);
    },
  };
  const sending = (stream: CopyBoth, signal?: AbortSignal) =>
    send({ stream, source, signal, silenceMs, bytesPerSecond: bytesPerSecond?.sender });
  const receiving = (stream: CopyBoth, signal?: AbortSignal) =>
    receive({ stream, sink, signal, silenceMs, bytesPerSecond: bytesPerSecond?.receiver });
  const [dialled, serve] = way === "push" ? [sending, receiving] : [receiving, sending];
  let served: Promise<unknown> = Promise.resolve();
  const listener = await listen({
    port: 0,
    handler: {
      query: async (_sql, reply, _connection, signal) => {
        served = serve(reply.copyBoth(), signal);
        await served;
        reply.commandComplete("DONE");
      },
    },
  });
  const proxy = await silentProxy(t, Number(listener.addresses[0].split(":")[1]));
  const connection = await connect({ uri: `postgresql://127.0.0.1:${proxy.port}/` });
  t.teardown(async () => {
    connection.destroy();
    await listener.destroy();
  });
  const stream = await connection.copyBoth("go");
  const outcome = dialled(stream).then(async (result) => {
    await stream.finish();
    return result;
  });
  outcome.catch(() => {});
  return { outcome, served: () => served, proxy, acknowledged: () => acknowledged };
}

/** The same, and the network falls silent as soon as the first frames are acknowledged. */
async function beginAndFallSilent(
  t: ExecutionContext,
  way: Way,
  stores: readonly [TemporaryStore, TemporaryStore],
  branch: Branch,
  silenceMs?: number,
): Promise<Running> {
  let first = () => {};
  const acknowledged = new Promise<void>((resolve) => {
    first = resolve;
  });
  const session = await begin(t, way, stores, branch, { onAcknowledged: () => first(), silenceMs });
  await acknowledged;
  session.proxy.fallSilent();
  return session;
}

async function twoStores(t: ExecutionContext): Promise<[TemporaryStore, TemporaryStore]> {
  const stores: [TemporaryStore, TemporaryStore] = [await temporaryStore(), await temporaryStore()];
  // After the connections, which are torn down first.
  t.teardown(async () => {
    for (const { remove } of stores) await remove();
  });
  return stores;
}

/** 120 frames of 300 kB: the receiver makes them durable in several steps. */
async function largeBranch({ store }: TemporaryStore): Promise<Branch> {
  return store.createBranch("main", await writeChain(store, { frames: 120, frameBytes: 600_000 }));
}

async function digests(store: Store, branch: Branch): Promise<string[]> {
  const all: string[] = [];
  for await (const { digest } of store.reader(branch).frames()) all.push(digest.toString("hex"));
  return all;
}

async function assertArrived(t: ExecutionContext, there: Store, here: Store, branch: Branch): Promise<void> {
  const arrived = there.requireBranch("main");
  t.deepEqual(arrived.head, branch.head);
  t.is(arrived.bytes, branch.bytes);
  t.deepEqual(await digests(there, arrived), await digests(here, branch));
}

const segments = (temporary: TemporaryStore) => readdir(join(temporary.path, "segments"));

for (const way of ["push", "pull"] as const) {
  test(`${way}: while a session is cut off and does not know it, a retry sends nothing that was acknowledged`, async (t) => {
    const stores = await twoStores(t);
    const [here, there] = stores;
    const branch = await largeBranch(here);
    const dead = await beginAndFallSilent(t, way, stores, branch);
    const acknowledged = dead.acknowledged();
    t.true(acknowledged > 0 && acknowledged < branch.frames, `${acknowledged}`);

    const retry = await begin(t, way, stores, branch);
    const { frames } = await retry.outcome;
    t.true(
      frames > 0 && frames <= branch.frames - acknowledged,
      `${frames} sent, ${acknowledged} acknowledged`,
    );
    await assertArrived(t, there.store, here.store, branch);
    await there.store.collectGarbage(true, true);
    await assertArrived(t, there.store, here.store, branch);

    // At last it learns that it is dead.
    dead.proxy.reset();
    await t.throwsAsync(dead.outcome);
    for (let i = 0; i < 200 && (await there.store.collectGarbage(false, true)).segments > 0; i++);
    await assertArrived(t, there.store, here.store, branch);
    await there.reopen();
    await there.store.collectGarbage(true, true);
    await assertArrived(t, there.store, here.store, branch);
    t.is((await there.store.collectGarbage(true, true)).segments, 0);
  });

  test(`${way}: a session that was cut off and comes back finds its branch where it was to bring it`, async (t) => {
    const stores = await twoStores(t);
    const [here, there] = stores;
    const branch = await largeBranch(here);
    const dead = await beginAndFallSilent(t, way, stores, branch);
    await (await begin(t, way, stores, branch)).outcome;
    dead.proxy.revive();
    const outcome = await dead.outcome;
    t.true(outcome.accepted);
    t.deepEqual(outcome.head, branch.head);
    await there.store.collectGarbage(true, true);
    await assertArrived(t, there.store, here.store, branch);
    await there.reopen();
    await assertArrived(t, there.store, here.store, branch);
  });

  for (const grown of [false, true]) {
    const title = grown ? "a branch that grows" : "a new branch";
    test(`${way}: of ${title}, a session that comes back and wins leaves the retry's base alone`, async (t) => {
      const stores = await twoStores(t);
      const [here, there] = stores;
      const branch = await largeBranch(here);
      if (grown) {
        const early = await here.store.reader(branch).frame(5);
        const head = { seq: 5, digest: early.digest, lsn: early.header.endLsn };
        await (await begin(t, way, stores, await here.store.forkBranch("early", branch, head))).outcome;
      }
      const dead = await beginAndFallSilent(t, way, stores, branch);
      let open = () => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      let arrive = () => {};
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      const gate: Gate = async (seq) => {
        if (seq < 110) return;
        arrive();
        await opened;
      };
      const retry = await begin(t, way, stores, branch, { gate });
      t.teardown(open);
      await arrived;
      dead.proxy.revive();
      t.true((await dead.outcome).accepted);
      await assertArrived(t, there.store, here.store, branch);
      await there.store.collectGarbage(true, true);
      open();
      t.true((await retry.outcome).accepted);
      await there.store.collectGarbage(true, true);
      await assertArrived(t, there.store, here.store, branch);
      await there.reopen();
      await there.store.collectGarbage(true, true);
      await assertArrived(t, there.store, here.store, branch);
    });
  }

  test(`${way}: a store that goes down between the two keeps the branch that the retry brought`, async (t) => {
    const stores = await twoStores(t);
    const [here, there] = stores;
    const branch = await largeBranch(here);
    await beginAndFallSilent(t, way, stores, branch);
    await (await begin(t, way, stores, branch)).outcome;
    t.true((await segments(there)).length > 1);
    await there.reopen();
    await assertArrived(t, there.store, here.store, branch);
    await there.store.collectGarbage(true, true);
    await assertArrived(t, there.store, here.store, branch);
  });
  test(`${way}: both ends of a session learn in the end that it was cut off, and can say so`, async (t) => {
    const stores = await twoStores(t);
    const [here, there] = stores;
    const branch = await largeBranch(here);
    const dead = await beginAndFallSilent(t, way, stores, branch, 600);
    const acknowledged = dead.acknowledged();
    for (const end of [dead.outcome, dead.served()]) {
      const error = await t.throwsAsync<NeonError>(end, { message: /silent for 0.6 s/ });
      t.is(error?.sqlstate, "08006");
      t.true(error?.retryable);
      t.regex(error?.hint ?? "", /again/);
    }
    t.is(there.store.getBranch("main"), undefined);
    const { frames } = await (await begin(t, way, stores, branch)).outcome;
    t.true(frames <= branch.frames - acknowledged);
    await assertArrived(t, there.store, here.store, branch);
  });

  for (const slow of ["sender", "receiver"] as const) {
    test(`${way}: a ${slow} that is slow because it was told to be is not taken for dead`, async (t) => {
      const stores = await twoStores(t);
      const [here, there] = stores;
      const chain = await writeChain(here.store, { frames: 30, frameBytes: 600_000 });
      const branch = await here.store.createBranch("main", chain);
      // A run of 4 MB takes ten times the silence that is borne.
      const options = { silenceMs: 150, bytesPerSecond: { [slow]: 3_000_000 } };
      t.true((await (await begin(t, way, stores, branch, options)).outcome).accepted);
      await assertArrived(t, there.store, here.store, branch);
    });
  }
}
