import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { type NextTimeline, WalStream } from "../replication/start-replication.js";
import { splitByTimeline } from "../timelines.js";
import { Recoverability } from "../wal/recoverability.js";
import { type AppendPlan, readTimelines, type ServerTimelines } from "./append-plan.js";
import { notReached } from "./append-refusals.js";
import type { BranchGrowth } from "./branch-growth.js";
import type { StoredWal } from "./stored-wal.js";
import { WalComparison } from "./wal-comparison.js";
import { WalDifference } from "./wal-difference.js";
import { WalRecorder } from "./wal-recorder.js";

/** Between two moves of the branch while WAL comes, and between two status updates. */
const MOVE_INTERVAL_MS = 500;
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
  /** End when WAL was taken up to here; without it go on until the signal aborts. */
  readonly stopLsn: Lsn | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called whenever the branch has moved. */
  onMove(): void;
}

/**
 * One WAL stream that first shows that the server's history is the branch's, and then makes the branch grow.
 *
 * The loop over the stream and the timer's moves take turns. The flush position that is reported is the branch's head:
 * the server keeps what is not on the branch.
 */
export class AppendSession {
  readonly #options: AppendSessionOptions;
  readonly #recorder: WalRecorder;
  readonly #comparison: WalComparison;
  #server: ServerTimelines;
  #stream: WalStream | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #ending = false;
  #failure: unknown;

  constructor(options: AppendSessionOptions) {
    const { plan, growth, stored } = options;
    this.#options = options;
    this.#server = plan;
    const { start, head } = stored.branch;
    const { walSegmentSize, systemIdentifier } = start;
    const wal = { startLsn: plan.startLsn, walSegmentSize, systemIdentifier };
    const judge = new Recoverability({ lsn: head.lsn, walSegmentSize });
    this.#recorder = new WalRecorder(growth, wal, judge);
    this.#comparison = new WalComparison(stored, plan.startLsn);
  }

  /** Bytes of WAL that came. */
  get bytes(): number {
    return Number(this.#recorder.receivedLsn - this.#options.plan.startLsn);
  }

  /** Where the next byte of WAL belongs. */
  get receivedLsn(): Lsn {
    return this.#recorder.receivedLsn;
  }

  /** Whether the server's history has proved to be the branch's. */
  get proved(): boolean {
    return this.#recorder.receivedLsn >= this.#options.stored.branch.head.lsn;
  }

  /**
   * Streams until WAL was taken up to the stop LSN or the signal aborts; `again` if the server took back the beginning
   * of a record, as it does when it was promoted in the middle of one. On a failure what had come stays on the branch.
   * Throws a {@link WalDifference}, refusals, damage, and what the server or the store says.
   */
  async run(): Promise<"done" | "again"> {
    const { signal, growth, connection } = this.#options;
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
      await this.#comparison.close();
      await growth.discard();
    }
  }

  async #streamTimelines(): Promise<"done" | "again"> {
    const { connection, plan, holdWal } = this.#options;
    this.#announce();
    let slot = await holdWal();
    for (let { timelineId } = plan; ; ) {
      const lsn = this.#recorder.receivedLsn;
      const stream = await WalStream.start(connection, { slot, lsn, timelineId });
      this.#stream = stream;
      const timer = setInterval(() => this.#tick(), MOVE_INTERVAL_MS);
      try {
        await this.#take(stream);
      } catch (error) {
        if (!this.#canBeginAtHead(error)) throw error;
        await stream.finish().catch(() => undefined); // it says the same again
        timelineId = await this.#beginAtHead();
        slot = await holdWal();
        continue;
      } finally {
        clearInterval(timer);
        this.#stream = undefined;
      }
      await this.#inTurn(() => Promise.resolve());
      const next = await stream.finish();
      if (this.#ending) return "done";
      if (next === undefined || next.lsn > this.#recorder.receivedLsn)
        throw ended(this.#recorder.receivedLsn);
      if (next.lsn < this.#recorder.receivedLsn) return "again";
      timelineId = await this.#learn(next);
    }
  }

  /**
   * The segment before a head that stands at a segment's start is gone on the server: an import ends with such a head, and
   * the next checkpoint there removes that segment. Nothing of the head's own segment can be compared.
   */
  #canBeginAtHead(error: unknown): boolean {
    const { plan, stored } = this.#options;
    const { head, start } = stored.branch;
    const atSegmentStart = plan.compareEnd === head.lsn && head.lsn % BigInt(start.walSegmentSize) === 0n;
    return (
      atSegmentStart &&
      this.#recorder.receivedLsn === plan.startLsn &&
      NeonError.from(error).sqlstate === "58P01"
    );
  }

  /** Reads the branch's own WAL instead: then the server's next record has to name the branch's last as the one before. */
  async #beginAtHead(): Promise<number> {
    const { plan, stored } = this.#options;
    for await (const { lsn, data } of stored.pieces(plan.startLsn)) this.#recorder.skip(lsn, data);
    const segmentEnd = plan.compareEnd + BigInt(stored.branch.start.walSegmentSize);
    const last = this.#server.timelines.findLast(({ begin }) => begin < segmentEnd);
    return last?.id ?? plan.timelineId;
  }

  async #take(stream: WalStream): Promise<void> {
    this.#report();
    this.#endIfReached();
    for await (const message of stream.read()) {
      if (this.#ending) continue; // on its way when the end was asked for
      if (message.type === "keepalive") {
        if (message.replyRequested) this.#report();
        continue;
      }
      await this.#inTurn(() => this.#takeWal(message.lsn, message.data));
      this.#endIfReached();
    }
  }

  async #takeWal(lsn: Lsn, data: Buffer): Promise<void> {
    const compared = await this.#compare(lsn, data);
    const rest = data.subarray(compared);
    for (const part of splitByTimeline(this.#server.timelines, lsn + BigInt(compared), rest)) {
      await this.#record(part.timelineId, part.lsn, part.data);
    }
  }

  async #record(timelineId: number, lsn: Lsn, data: Buffer): Promise<void> {
    try {
      await this.#recorder.take(timelineId, lsn, data);
    } catch (error) {
      const { head } = this.#options.stored.branch;
      const first = this.#recorder.endLsn === head.lsn && NeonError.from(error).code === "data_corrupted";
      throw first ? new WalDifference(head.lsn) : error;
    }
  }

  /** Compares what the branch has as well. Returns the number of bytes that were. */
  async #compare(lsn: Lsn, data: Buffer): Promise<number> {
    const { plan, stored } = this.#options;
    if (this.#recorder.receivedLsn >= plan.compareEnd) return 0;
    this.#recorder.assertNext(lsn);
    const missing = plan.compareEnd - lsn;
    const part = missing < BigInt(data.length) ? data.subarray(0, Number(missing)) : data;
    const difference = await this.#comparison.take(lsn, part);
    if (difference !== undefined) throw new WalDifference(difference);
    this.#recorder.skip(lsn, part);
    if (BigInt(part.length) === missing && plan.compareEnd < stored.branch.head.lsn) {
      throw notReached(stored.branch, plan.flushLsn);
    }
    return part.length;
  }

  /** Goes on with the timeline that the server has switched to. */
  async #learn(next: NextTimeline): Promise<number> {
    const { connection, stored } = this.#options;
    if (!this.#server.timelines.some(({ id }) => id === next.timelineId)) {
      const { postgresTimelineId } = stored.branch.start;
      this.#server = await readTimelines(connection, next.timelineId, postgresTimelineId);
      this.#announce();
    }
    return next.timelineId;
  }

  /** Has the history files of timelines that are new to the branch stored with their first WAL. */
  #announce(): void {
    for (const { id, begin } of this.#server.timelines) {
      const file = this.#server.historyFiles.get(id);
      if (
        file !== undefined &&
        begin >= this.#recorder.storedLsn &&
        begin >= this.#options.growth.branch.head.lsn
      ) {
        this.#recorder.announce(id, file);
      }
    }
  }

  #tick(): void {
    this.#report();
    if (this.#options.stopLsn !== undefined) return;
    this.#attempt(() => this.#move());
  }

  /** Moves the branch to the last complete record, unless a part of a later one is stored already. */
  async #move(): Promise<void> {
    const { growth, onMove } = this.#options;
    const { endLsn } = this.#recorder;
    if (endLsn <= growth.branch.head.lsn || !this.#recorder.reaches(endLsn)) return;
    await this.#recorder.flush();
    await growth.move();
    this.#report();
    onMove();
  }

  /**
   * A failure to say something to the server shows when it is read from. A head at a segment's start is reported as one
   * byte less: the segment before it is what the next comparison needs.
   */
  #report(): void {
    const { growth, stored } = this.#options;
    const { lsn } = growth.branch.head;
    const flushLsn = lsn % BigInt(stored.branch.start.walSegmentSize) === 0n ? lsn - 1n : lsn;
    const { receivedLsn } = this.#recorder;
    const writeLsn = receivedLsn > flushLsn ? receivedLsn : flushLsn;
    this.#stream?.report(writeLsn).catch(() => undefined);
  }

  #endIfReached(): void {
    const { stopLsn } = this.#options;
    if (stopLsn !== undefined && this.#recorder.receivedLsn >= stopLsn) this.#end();
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

function ended(lsn: Lsn): NeonError {
  return new NeonError("connection_failure", `the server ended the WAL stream at ${formatLsn(lsn)}`, {
    party: "source",
    retryable: true,
  });
}
