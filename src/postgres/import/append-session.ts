import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { WalStream } from "../replication/start-replication.js";
import { AppendIntake } from "./append-intake.js";
import type { AppendPlan } from "./append-plan.js";
import type { BranchGrowth } from "./branch-growth.js";
import { SlotPosition } from "./slot-position.js";
import type { StoredWal } from "./stored-wal.js";

/** Between two moves of the branch while WAL comes, and between two status updates. */
const MOVE_INTERVAL_MS = 500;
/** Between two moments at which the server is asked something although its slot need not be moved. */
const ASK_INTERVAL_MS = 60_000;
/** How long a server may take to end a stream that nobody wants any more. */
const END_MS = 1500;

/** What an {@link AppendSession} works with. */
export interface AppendSessionOptions {
  readonly connection: Connection;
  readonly plan: AppendPlan;
  readonly stored: StoredWal;
  readonly growth: BranchGrowth;
  /** Names a slot that holds WAL for this connection, if there is to be one. An error there drops a temporary slot. */
  holdWal(): Promise<string | undefined>;
  /** Called when the server does not let its slot be used any more. Says whether there is a new one of the same name. */
  renewSlot(): Promise<boolean>;
  /** End when WAL was taken up to here; without it go on until the signal aborts. */
  readonly stopLsn: Lsn | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called whenever the branch has moved. */
  onMove(): void;
  /** Called now and then while the connection is free for commands: before the stream, and between two. */
  onPause(): Promise<void>;
}

/**
 * One WAL stream that first shows that the server's history is the branch's, and then makes the branch grow.
 *
 * The loop over the stream and the timer's moves take turns. Now and then the stream ends and begins anew, which is how a
 * slot is moved on (see {@link WalStream}): up to the branch's head, so that the server keeps what is not on the branch.
 */
export class AppendSession {
  readonly #options: AppendSessionOptions;
  readonly #intake: AppendIntake;
  readonly #position: SlotPosition;
  #slot: string | undefined;
  #stream: WalStream | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #pausing = false;
  #pausedAt = Date.now();
  #moving = false;
  #ending = false;
  #failure: unknown;

  constructor(options: AppendSessionOptions) {
    const { plan, growth, stored } = options;
    this.#options = options;
    this.#intake = new AppendIntake(plan, stored, growth);
    this.#position = new SlotPosition(stored.branch.start.walSegmentSize);
  }

  /** Bytes of WAL that came. */
  get bytes(): number {
    return Number(this.#intake.receivedLsn - this.#options.plan.startLsn);
  }

  /** Where the next byte of WAL belongs. */
  get receivedLsn(): Lsn {
    return this.#intake.receivedLsn;
  }

  /** Whether the server's history has proved to be the branch's. */
  get proved(): boolean {
    return this.#intake.proved;
  }

  /**
   * Streams until WAL was taken up to the stop LSN or the signal aborts; `again` if the server took back the beginning
   * of a record, as it does when it was promoted in the middle of one. On a failure what had come stays on the branch.
   * Throws a {@link WalDifference}, refusals, damage, and what the server or the store says.
   */
  async run(): Promise<"done" | "again"> {
    const { signal, connection } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      timer = setTimeout(() => connection.destroy(), END_MS);
      this.#attempt(async () => {
        await this.#move();
        this.#end();
      });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted) return "done";
      const outcome = await this.#streamTimelines();
      await this.#inTurn(() => this.#move());
      return outcome;
    } catch (thrown) {
      const error = NeonError.from(this.#failure ?? thrown);
      if (this.#ending && this.#failure === undefined) return "done";
      if (error.code !== "data_corrupted") await this.#inTurn(() => this.#move()).catch(() => undefined);
      throw this.#failure ?? thrown;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      clearTimeout(timer);
      await this.#intake.close();
    }
  }

  async #streamTimelines(): Promise<"done" | "again"> {
    const { connection, plan, holdWal, onPause } = this.#options;
    this.#intake.announce();
    this.#slot = await holdWal();
    await onPause();
    for (let { timelineId } = plan; ; ) {
      const stream = await this.#start(timelineId);
      this.#stream = stream;
      const timer = setInterval(() => this.#tick(), MOVE_INTERVAL_MS);
      try {
        await this.#take(stream);
      } catch (error) {
        if (!this.#intake.canBeginAtHead(error)) throw error;
        await stream.finish().catch(() => undefined); // it says the same again
        timelineId = await this.#intake.beginAtHead();
        this.#slot = await holdWal();
        continue;
      } finally {
        clearInterval(timer);
        this.#stream = undefined;
      }
      await this.#inTurn(() => Promise.resolve());
      const next = await stream.finish();
      const { receivedLsn } = this.#intake;
      if (this.#ending) {
        await this.#leaveSlot(timelineId);
        return "done";
      }
      // Of a timeline that is over the server tells the next one, wherever the stream ended.
      if (this.#pausing && (next === undefined || next.lsn > receivedLsn)) {
        this.#pausedAt = Date.now();
        await onPause();
      } else {
        if (next === undefined || next.lsn > receivedLsn) throw ended(receivedLsn);
        if (next.lsn < receivedLsn) return "again";
        timelineId = await this.#intake.learn(connection, next);
      }
    }
  }

  /** Begins a stream, which moves the slot if the branch has got ahead of it. */
  async #start(timelineId: number): Promise<WalStream> {
    const { connection, growth, renewSlot } = this.#options;
    const { lsn: head } = growth.branch.head;
    const moves = this.#slot !== undefined && this.#pausing && this.#position.isBehind(head);
    const heldUntil = moves ? this.#position.until(head) : undefined;
    this.#pausing = false;
    const start = () =>
      WalStream.start(connection, { slot: this.#slot, lsn: this.#intake.receivedLsn, timelineId, heldUntil });
    const stream = await start().catch(async (error) => {
      const refused = NeonError.from(error).sqlstate === NOT_USABLE && this.#slot !== undefined;
      if (refused && (await renewSlot())) return start();
      throw error;
    });
    if (heldUntil !== undefined) this.#position.moved(heldUntil);
    return stream;
  }

  /** Moves a slot that stays a last time. Its failure is none of the import: the server keeps more WAL than it need. */
  async #leaveSlot(timelineId: number): Promise<void> {
    const { stopLsn, growth } = this.#options;
    const stays = this.#slot !== undefined && stopLsn === undefined && this.proved;
    if (!stays || !this.#position.isBehind(growth.branch.head.lsn)) return;
    this.#pausing = true;
    await this.#start(timelineId)
      .then((stream) => stream.finish())
      .catch(() => undefined);
  }

  async #take(stream: WalStream): Promise<void> {
    this.#report();
    this.#endIfReached();
    if (this.#ending) this.#end();
    for await (const message of stream.read()) {
      if (this.#ending) continue; // on its way when the end was asked for
      if (message.type === "keepalive") {
        if (message.replyRequested) this.#report();
        continue;
      }
      await this.#inTurn(() => this.#intake.take(message.lsn, message.data));
      this.#endIfReached();
    }
  }

  /** A move that takes longer than the interval is not queued twice: moves would take all turns. */
  #tick(): void {
    this.#report();
    if (this.#options.stopLsn !== undefined || this.#moving) return;
    this.#moving = true;
    this.#attempt(() =>
      this.#move().finally(() => {
        this.#moving = false;
        this.#pauseIfDue();
      }),
    );
  }

  async #move(): Promise<void> {
    if (!(await this.#intake.move())) return;
    this.#report();
    this.#options.onMove();
  }

  /** Ends the stream for a moment. What is on its way still counts. */
  #pauseIfDue(): void {
    if (this.#slot === undefined || this.#pausing || this.#ending || !this.proved) return;
    const due = this.#position.isDue(this.#options.growth.branch.head.lsn);
    if (!due && Date.now() - this.#pausedAt < ASK_INTERVAL_MS) return;
    this.#pausing = true;
    this.#stream?.end().catch(() => undefined);
  }

  /** A failure to say something to the server shows when it is read from. */
  #report(): void {
    const { receivedLsn } = this.#intake;
    const { lsn: head } = this.#options.growth.branch.head;
    this.#stream?.report(receivedLsn > head ? receivedLsn : head).catch(() => undefined);
  }

  #endIfReached(): void {
    const { stopLsn } = this.#options;
    if (stopLsn !== undefined && this.#intake.receivedLsn >= stopLsn) this.#end();
  }

  #end(): void {
    this.#ending = true;
    this.#stream?.end().catch(() => undefined);
  }

  /** Runs work of a timer: its failure ends the stream. */
  #attempt(work: () => Promise<void>): void {
    this.#inTurn(work).catch((error) => {
      this.#failure ??= error;
      this.#options.connection.destroy();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** What a server says of a slot that it has invalidated, or a standby's of another kind. */
const NOT_USABLE = "55000";

function ended(lsn: Lsn): NeonError {
  return new NeonError("connection_failure", `the server ended the WAL stream at ${formatLsn(lsn)}`, {
    party: "source",
    retryable: true,
  });
}
