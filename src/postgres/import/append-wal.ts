import { setTimeout as sleep } from "node:timers/promises";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import type { Branch } from "../../timeline/store.js";
import { createTemporarySlot } from "../replication/create-replication-slot.js";
import { UnrecoverableWalError } from "../wal/recoverability.js";
import { type AppendPlan, planAppend } from "./append-plan.js";
import {
  anotherCluster,
  anotherSegmentSize,
  diverged,
  divergedBefore,
  recycled,
  unrecoverable,
} from "./append-refusals.js";
import { AppendSession } from "./append-session.js";
import { BranchGrowth } from "./branch-growth.js";
import { explainError } from "./explain-error.js";
import { findDifference } from "./find-difference.js";
import { dropStatement, FollowSlot, type FollowSlotOptions } from "./follow-slot.js";
import type { ImportOptions, ImportResult } from "./import-cluster.js";
import { connectForReplication, describeServer } from "./import-source.js";
import { findParting } from "./parting.js";
import type { SourceNotices } from "./source-notices.js";
import { StoredWal } from "./stored-wal.js";
import { WalDifference } from "./wal-difference.js";

/** Between two attempts to reach a server that was followed. */
const RECONNECT_MS = 1000;

/** What appending works with. */
export interface AppendOptions extends ImportOptions {
  /** Go on until the signal aborts, across promotions and lost connections. */
  readonly follow?: boolean | undefined;
  /** With follow: a permanent physical slot keeps WAL on the server, from the first time on. */
  readonly slot?: FollowSlotOptions | undefined;
}

/** What following works with, also before the branch is there. */
export interface Following {
  readonly notices: SourceNotices;
  /** The slot that was made for a branch that has just been imported: the server's history is the branch's. */
  readonly slot?: FollowSlot | undefined;
  readonly proved: boolean;
}

/** What appending has done. */
export interface AppendResult extends ImportResult {
  /** The permanent slot that stays on the server. */
  readonly slot: string | undefined;
}

/**
 * Appends the WAL that a Postgres has written since the head of a branch, once it has proved to have the branch's
 * history: up to its flush position at the start, or, with `follow`, until the signal aborts, which then is no error.
 * What the branch has reached stays on it, whatever happens later. A connection that is lost is made anew only when the
 * server's history was the branch's once, or is proved to be; an abort before that is an error with `follow` too.
 *
 * Throws 55000 for another cluster, for WAL that differs, for a Postgres timeline that forked before the head and for a
 * server that has not reached the head, 58P01 for WAL that it has recycled, 57014 after an abort without `follow`, 40001
 * if somebody else moves the branch, and what the server refuses, with a hint.
 */
export async function appendWal(options: AppendOptions, following: Following): Promise<AppendResult> {
  const { store, signal, follow = false } = options;
  const growth = new BranchGrowth(store, store.requireBranch(options.branch));
  const { notices, slot, proved } = following;
  const state: State = {
    growth,
    startLsn: growth.branch.head.lsn,
    sourceBytes: 0,
    proved,
    notices,
    slot,
    unusedSlot: undefined,
  };
  let lostAt: Lsn | undefined;
  while (!signal?.aborted) {
    try {
      await appendOnce(options, state);
      break;
    } catch (thrown) {
      if (signal?.aborted) break;
      const error = explain(thrown, growth.branch);
      if (!follow || !state.proved || !canReconnect(error)) {
        await forgetUnusedSlot(options, state);
        throw withSlot(error, state.slot?.name);
      }
      const at = growth.branch.head.lsn;
      if (at !== lostAt) {
        const reason = error.message;
        options.log?.info({ branch: options.branch, reason }, "import: trying to reach the server again");
      }
      lostAt = at;
      options.onProgress?.({ phase: `${options.branch}: waiting for the server`, bytes: growth.bytes });
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  if (signal?.aborted && !(follow && state.proved)) {
    await forgetUnusedSlot(options, state);
    throw withSlot(cancelled(signal.reason, growth.branch), state.slot?.name);
  }
  const { branch, frames, bytes } = growth;
  return { branch, frames, bytes, sourceBytes: state.sourceBytes, slot: state.slot?.name };
}

interface State {
  readonly growth: BranchGrowth;
  /** Where the branch stood at the beginning. */
  readonly startLsn: Lsn;
  sourceBytes: number;
  /** Whether the server had the branch's history once. */
  proved: boolean;
  readonly notices: SourceNotices;
  /** The permanent slot, once it is there. */
  slot: FollowSlot | undefined;
  /** That slot as long as it was made for a server that has not proved to go on from the branch. */
  unusedSlot: FollowSlot | undefined;
}

/** One connection. An abort cuts it off as long as nothing streams; a stream is ended. */
async function appendOnce(options: AppendOptions, state: State): Promise<void> {
  const { signal, uri, store } = options;
  const cutting = new AbortController();
  const cut = () => cutting.abort(signal?.reason);
  signal?.addEventListener("abort", cut, { once: true });
  let connection: Connection | undefined;
  try {
    connection = await connectForReplication(uri, cutting.signal, options.onNotice);
    for (let outcome = "again"; outcome === "again"; ) {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", cut, { once: true });
      const stored = new StoredWal(store, state.growth.branch);
      await assertSameCluster(connection, stored.branch);
      const plan = await planAppend(store, connection, stored);
      signal?.removeEventListener("abort", cut);
      outcome = await stream(connection, plan, stored, options, state);
    }
    // An end that was asked for tells nothing of two histories before they have been compared.
    if (!state.proved) signal?.throwIfAborted();
    await connection.close();
  } catch (error) {
    connection?.destroy();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cut);
  }
}

async function stream(
  connection: Connection,
  plan: AppendPlan,
  stored: StoredWal,
  options: AppendOptions,
  state: State,
): Promise<"done" | "again"> {
  const { growth } = state;
  const { branch, follow, signal, log, onProgress } = options;
  log?.info(
    {
      branch,
      head: formatLsn(stored.branch.head.lsn),
      from: formatLsn(plan.startLsn),
      timeline: plan.timelineId,
    },
    "import: appending WAL",
  );
  const session = new AppendSession({
    connection,
    plan,
    stored,
    growth,
    holdWal: () => holdWal(connection, stored.branch, options, state),
    async renewSlot() {
      if (state.slot === undefined || state.slot.isNew) return false;
      await state.slot.renew(connection);
      state.unusedSlot = state.slot;
      return true;
    },
    stopLsn: follow ? undefined : plan.flushLsn,
    signal,
    async onPause() {
      if (follow) await state.notices.ask(connection, state.slot?.name);
    },
    onMove() {
      state.proved = true;
      const { lsn } = growth.branch.head;
      onProgress?.({ phase: `${branch} at ${formatLsn(lsn)}`, bytes: Number(lsn - state.startLsn) });
    },
  });
  try {
    return await session.run();
  } catch (error) {
    if (error instanceof WalDifference) throw await explainDifference(options, plan, stored, error);
    if (NeonError.from(error).sqlstate === "58P01") throw recycled(growth.branch, session.receivedLsn, error);
    throw error;
  } finally {
    state.proved ||= session.proved;
    if (session.proved) state.unusedSlot = undefined;
    state.sourceBytes += session.bytes;
  }
}

/** Looks for the first difference of all, since there can be an earlier one. */
async function explainDifference(
  { uri, signal, store }: AppendOptions,
  plan: AppendPlan,
  stored: StoredWal,
  { lsn }: WalDifference,
): Promise<NeonError> {
  const first = await findDifference(uri, plan, stored, signal);
  if (first === undefined) return divergedBefore(stored.branch, lsn, plan.flushLsn);
  // To find the first difference took the WAL from before it.
  const parting = { ...(await findParting(store, stored, first)), serverHasWal: true };
  return diverged(stored.branch, parting, plan.flushLsn);
}

async function assertSameCluster(connection: Connection, branch: Branch): Promise<void> {
  const { systemIdentifier, walSegmentSize } = await describeServer(connection);
  if (systemIdentifier !== branch.start.systemIdentifier) throw anotherCluster(branch, systemIdentifier);
  if (walSegmentSize !== branch.start.walSegmentSize) throw anotherSegmentSize(branch, walSegmentSize);
}

/** Has the server keep WAL for this connection: in a slot that stays, in a temporary one, or with `--no-slot` not at all. */
async function holdWal(
  connection: Connection,
  { name: branch, start: { systemIdentifier } }: Branch,
  { follow, slot, store, onNotice }: AppendOptions,
  state: State,
): Promise<string | undefined> {
  if (!follow) return createTemporarySlot(connection, "neon_import");
  if (slot === undefined) return undefined;
  const slots = store.sourceSlots;
  const notice = onNotice ?? (() => {});
  state.slot = await FollowSlot.hold(connection, { ...slot, slots, branch, systemIdentifier, notice });
  if (state.slot.isNew) state.unusedSlot = state.slot;
  return state.slot.name;
}

/** Drops a slot that was made for nothing. Where that fails it stays on the list: the refusal that led here is what counts. */
async function forgetUnusedSlot({ uri }: AppendOptions, state: State): Promise<void> {
  const { unusedSlot } = state;
  if (unusedSlot === undefined) return;
  try {
    const connection = await connectForReplication(uri, undefined);
    await unusedSlot.drop(connection).finally(() => connection.destroy());
    state.slot = undefined;
  } catch {
    // said above
  }
}

/** The error, with what stays on the server that it is about. */
function withSlot(error: NeonError, slot: string | undefined): NeonError {
  if (slot === undefined) return error;
  const { code, message, hint, detail, party, retryable, reported, sqlstate, cause } = error;
  const stays = `The replication slot ${slot} stays there and keeps WAL; to drop it: neon slot drop ${slot}, or there ${dropStatement(slot)}`;
  const hints = hint === undefined ? stays : `${hint} ${stays}`;
  return new NeonError(code, message, { hint: hints, detail, party, retryable, reported, sqlstate, cause });
}

/** The connection was lost, the server goes down or comes up, lags behind, or has not noticed that the last one is gone. */
function canReconnect({ code, sqlstate, retryable }: NeonError): boolean {
  if (code === "serialization_failure") return false;
  return retryable || /^(08|57P0)/.test(sqlstate) || code === "object_in_use";
}

function explain(thrown: unknown, branch: Branch): NeonError {
  if (thrown instanceof UnrecoverableWalError) return unrecoverable(branch, thrown);
  const { name, head } = branch;
  const kept = `Branch "${name}" stands at ${formatLsn(head.lsn)}; import again to go on from there.`;
  return explainError(thrown, kept);
}

function cancelled(reason: unknown, { name, head }: Branch): NeonError {
  if (reason instanceof NeonError && reason.code !== "query_canceled") return reason;
  const text = `the import was cancelled; branch "${name}" stands at ${formatLsn(head.lsn)}`;
  return new NeonError("query_canceled", text, { cause: reason });
}
