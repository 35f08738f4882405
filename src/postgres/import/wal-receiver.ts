import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { WalStream } from "../replication/start-replication.js";
import { timelineHistory } from "../replication/timeline-history.js";
import { NOTHING_KEPT } from "./explain-error.js";
import type { WalRecorder } from "./wal-recorder.js";

/** Between two status updates: well below any sensible wal_sender_timeout (default: a minute). */
const REPORT_INTERVAL_MS = 1_000;

/** What a {@link WalReceiver} works with. */
export interface WalReceiverOptions {
  readonly connection: Connection;
  /** The slot that holds WAL for this connection. */
  readonly slot: string;
  readonly recorder: WalRecorder;
}

/**
 * Streams WAL into a recorder until complete records reach an LSN that is told later. Follows the server to the next
 * Postgres timeline. Status updates run on a timer of their own, so that they go out while the store holds reading back; they
 * say what was received and nothing of what is durable, since a base backup that is not complete is worth nothing.
 */
export class WalReceiver {
  readonly #options: WalReceiverOptions;
  #stopLsn: Lsn | undefined;
  #stream: WalStream | undefined;

  constructor(options: WalReceiverOptions) {
    this.#options = options;
  }

  /** Streams from where the recorder stands; resolves when {@link stopAt}'s LSN is reached and the stream has ended. */
  async run(startTimelineId: number): Promise<void> {
    const { connection, slot, recorder } = this.#options;
    for (let timelineId = startTimelineId; ; ) {
      const stream = await WalStream.start(connection, { slot, lsn: recorder.receivedLsn, timelineId });
      this.#stream = stream;
      const timer = setInterval(() => this.#report(stream), REPORT_INTERVAL_MS);
      try {
        await this.#take(stream, timelineId);
      } finally {
        clearInterval(timer);
        this.#stream = undefined;
      }
      const next = await stream.finish();
      if (this.#reached()) return;
      if (next === undefined || next.lsn !== recorder.receivedLsn) throw ended(recorder.receivedLsn);
      timelineId = next.timelineId;
      await this.#recordHistory(timelineId);
    }
  }

  /** Says where to stop: as soon as complete records reach `lsn`, which may be at once. */
  stopAt(lsn: Lsn): void {
    this.#stopLsn = lsn;
    if (this.#reached()) this.#end();
  }

  async #take(stream: WalStream, timelineId: number): Promise<void> {
    const { recorder } = this.#options;
    if (this.#reached()) this.#end();
    for await (const message of stream.read()) {
      if (this.#reached()) continue; // on its way when the end was asked for
      if (message.type === "keepalive") {
        if (message.replyRequested) this.#report(stream);
        continue;
      }
      await recorder.take(timelineId, message.lsn, message.data);
      if (this.#reached()) this.#end();
    }
  }

  #reached(): boolean {
    return this.#stopLsn !== undefined && this.#options.recorder.reaches(this.#stopLsn);
  }

  /** A failure to say something to the server shows when it is read from. */
  #end(): void {
    this.#stream?.end().catch(() => undefined);
  }

  #report(stream: WalStream): void {
    stream.report(this.#options.recorder.receivedLsn).catch(() => undefined);
  }

  async #recordHistory(timelineId: number): Promise<void> {
    const content = await timelineHistory(this.#options.connection, timelineId);
    await this.#options.recorder.mark({
      record: { case: "timelineHistory", value: { postgresTimelineId: timelineId, content } },
    });
  }
}

function ended(lsn: Lsn): NeonError {
  return new NeonError(
    "connection_failure",
    `the server ended the WAL stream at ${formatLsn(lsn)}, before the end of the base backup`,
    {
      party: "source",
      retryable: true,
      hint: `Was it shut down? Its log says more. ${NOTHING_KEPT}`,
    },
  );
}
