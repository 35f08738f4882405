import { NeonError } from "../../errors.js";
import type { Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import type { NextTimeline } from "../replication/start-replication.js";
import { splitByTimeline } from "../timelines.js";
import { Recoverability } from "../wal/recoverability.js";
import { type AppendPlan, readTimelines, type ServerTimelines } from "./append-plan.js";
import { notReached } from "./append-refusals.js";
import type { BranchGrowth } from "./branch-growth.js";
import type { StoredWal } from "./stored-wal.js";
import { WalComparison } from "./wal-comparison.js";
import { WalDifference } from "./wal-difference.js";
import { WalRecorder } from "./wal-recorder.js";

/** Where a server's WAL goes: what the branch has as well is compared with it, what comes behind is recorded. */
export class AppendIntake {
  readonly #plan: AppendPlan;
  readonly #stored: StoredWal;
  readonly #growth: BranchGrowth;
  readonly #recorder: WalRecorder;
  readonly #comparison: WalComparison;
  #server: ServerTimelines;

  constructor(plan: AppendPlan, stored: StoredWal, growth: BranchGrowth) {
    this.#plan = plan;
    this.#stored = stored;
    this.#growth = growth;
    this.#server = plan;
    const { start, head } = stored.branch;
    const { walSegmentSize, systemIdentifier } = start;
    const wal = { startLsn: plan.startLsn, walSegmentSize, systemIdentifier };
    const judge = new Recoverability({ lsn: head.lsn, walSegmentSize });
    this.#recorder = new WalRecorder(growth, wal, judge);
    this.#comparison = new WalComparison(stored, plan.startLsn);
  }

  /** Where the next byte of WAL belongs. */
  get receivedLsn(): Lsn {
    return this.#recorder.receivedLsn;
  }

  /** Whether the server's history has proved to be the branch's. */
  get proved(): boolean {
    return this.#recorder.receivedLsn >= this.#stored.branch.head.lsn;
  }

  /** Takes WAL and ownership of its bytes. Throws a {@link WalDifference}, refusals, damage. */
  async take(lsn: Lsn, data: Buffer): Promise<void> {
    const compared = await this.#compare(lsn, data);
    const rest = data.subarray(compared);
    for (const part of splitByTimeline(this.#server.timelines, lsn + BigInt(compared), rest)) {
      await this.#record(part.timelineId, part.lsn, part.data);
    }
  }

  /** Moves the branch to the last complete record, unless a part of a later one is stored already. Says whether it did. */
  async move(): Promise<boolean> {
    const { endLsn } = this.#recorder;
    if (endLsn <= this.#growth.branch.head.lsn || !this.#recorder.reaches(endLsn)) return false;
    await this.#recorder.flush();
    await this.#growth.move();
    return true;
  }

  /**
   * Whether streaming can begin at the head since the segment before it is gone on the server: an import ends with a head
   * at a segment's start, and the next checkpoint there removes that segment. Nothing of the head's own segment can be
   * compared.
   */
  canBeginAtHead(error: unknown): boolean {
    const { head, start } = this.#stored.branch;
    const atSegmentStart =
      this.#plan.compareEnd === head.lsn && head.lsn % BigInt(start.walSegmentSize) === 0n;
    return (
      atSegmentStart &&
      this.#recorder.receivedLsn === this.#plan.startLsn &&
      NeonError.from(error).sqlstate === "58P01"
    );
  }

  /**
   * Reads the branch's own WAL instead: then the server's next record has to name the branch's last as the one before.
   * Returns the Postgres timeline to ask for.
   */
  async beginAtHead(): Promise<number> {
    const { startLsn, compareEnd, timelineId } = this.#plan;
    for await (const { lsn, data } of this.#stored.pieces(startLsn)) this.#recorder.skip(lsn, data);
    const segmentEnd = compareEnd + BigInt(this.#stored.branch.start.walSegmentSize);
    return this.#server.timelines.findLast(({ begin }) => begin < segmentEnd)?.id ?? timelineId;
  }

  /** Goes on with the timeline that the server has switched to. Returns its id. */
  async learn(connection: Connection, next: NextTimeline): Promise<number> {
    if (!this.#server.timelines.some(({ id }) => id === next.timelineId)) {
      const { postgresTimelineId } = this.#stored.branch.start;
      this.#server = await readTimelines(connection, next.timelineId, postgresTimelineId);
      this.announce();
    }
    return next.timelineId;
  }

  /** Has the history files of timelines that are new to the branch stored with their first WAL. */
  announce(): void {
    for (const { id, begin } of this.#server.timelines) {
      const file = this.#server.historyFiles.get(id);
      const isNew = begin >= this.#recorder.storedLsn && begin >= this.#growth.branch.head.lsn;
      if (file !== undefined && isNew) this.#recorder.announce(id, file);
    }
  }

  /** Gives back what it reads with, and drops what was taken since the branch moved. */
  async close(): Promise<void> {
    await this.#comparison.close();
    await this.#growth.discard();
  }

  async #record(timelineId: number, lsn: Lsn, data: Buffer): Promise<void> {
    try {
      await this.#recorder.take(timelineId, lsn, data);
    } catch (error) {
      const { head } = this.#stored.branch;
      const first = this.#recorder.endLsn === head.lsn && NeonError.from(error).code === "data_corrupted";
      throw first ? new WalDifference(head.lsn) : error;
    }
  }

  /** Compares what the branch has as well. Returns the number of bytes that were. */
  async #compare(lsn: Lsn, data: Buffer): Promise<number> {
    const { compareEnd, flushLsn } = this.#plan;
    if (this.#recorder.receivedLsn >= compareEnd) return 0;
    this.#recorder.assertNext(lsn);
    const missing = compareEnd - lsn;
    const part = missing < BigInt(data.length) ? data.subarray(0, Number(missing)) : data;
    const difference = await this.#comparison.take(lsn, part);
    if (difference !== undefined) throw new WalDifference(difference);
    this.#recorder.skip(lsn, part);
    const { branch } = this.#stored;
    if (BigInt(part.length) === missing && compareEnd < branch.head.lsn) throw notReached(branch, flushLsn);
    return part.length;
  }
}
