import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn, parseLsn } from "../../lsn.js";
import type { Connection, CopyBothSession, ResultSet } from "../../pgwire/connection.js";
import { requireValue } from "./only-row.js";
import { formatStandbyStatusUpdate } from "./standby-status-update.js";

/** A message of a WAL stream. */
export type WalStreamMessage =
  /** WAL from `lsn` on. The bytes belong to the caller. */
  | { readonly type: "wal"; readonly lsn: Lsn; readonly data: Buffer }
  /** The server is alive; it may want a status update at once. */
  | { readonly type: "keepalive"; readonly replyRequested: boolean };

/** Where WAL goes on after the end of a Postgres timeline. */
export interface NextTimeline {
  readonly timelineId: number;
  readonly lsn: Lsn;
}

/** What {@link WalStream.start} takes. */
export interface WalStreamOptions {
  readonly slot: string | undefined;
  /** Where to start. */
  readonly lsn: Lsn;
  /** The Postgres timeline, which is always named. */
  readonly timelineId: number;
  /** Up to here the slot need keep WAL no longer. */
  readonly heldUntil?: Lsn | undefined;
}

/**
 * START_REPLICATION … PHYSICAL (manual: 55.4): WAL of one Postgres timeline.
 *
 * A WAL sender counts as a synchronous standby, where the server's synchronous_standby_names lets it, as long as it streams
 * and the last that it heard is a flush position. So nothing here reports one while it streams. A slot is moved on by the
 * way the stream begins: the flush position, and a second report that takes it back, leave together with the command. The
 * server reads both while the sender is still in the state `catchup`, in which it counts for nothing.
 */
export class WalStream {
  private constructor(private readonly session: CopyBothSession) {}

  /** Starts a stream. Throws the server's error if it refuses. */
  static async start(connection: Connection, options: WalStreamOptions): Promise<WalStream> {
    const { slot, lsn, timelineId, heldUntil: flushLsn } = options;
    const holding = slot === undefined ? "" : `SLOT "${slot}" `;
    const command = `START_REPLICATION ${holding}PHYSICAL ${formatLsn(lsn)} TIMELINE ${timelineId}`;
    const reports = flushLsn === undefined ? [] : [{ writeLsn: flushLsn, flushLsn }, { writeLsn: flushLsn }];
    const early = reports.map((status) => formatStandbyStatusUpdate(status));
    return new WalStream(await connection.copyBoth(command, early));
  }

  /** What the server sends until it, or {@link end}, ends the stream. Empty when the start is the timeline's end. */
  async *read(): AsyncGenerator<WalStreamMessage> {
    for await (const { data } of this.session.read()) {
      if (data[0] === WAL_DATA && data.length >= WAL_DATA_HEADER_BYTES) {
        yield { type: "wal", lsn: data.readBigUInt64BE(1), data: data.subarray(WAL_DATA_HEADER_BYTES) };
      } else if (data[0] === KEEPALIVE && data.length >= KEEPALIVE_BYTES) {
        yield { type: "keepalive", replyRequested: data[KEEPALIVE_BYTES - 1] !== 0 };
      } else {
        throw new NeonError(
          "protocol_violation",
          "the WAL stream holds a message that is neither WAL nor keepalive",
          {
            party: "source",
          },
        );
      }
    }
  }

  /**
   * Sends a standby status update: the end of what was received. Without effect where the start is the timeline's end: there
   * is no stream then.
   */
  async report(writeLsn: Lsn): Promise<void> {
    if (!this.session.opened) return;
    await this.session.write(formatStandbyStatusUpdate({ writeLsn }));
  }

  /** Asks the server to end the stream; {@link read} then ends. */
  async end(): Promise<void> {
    await this.session.done();
  }

  /**
   * Ends the stream and gives the connection back for other commands. Answers where WAL goes on, if the stream came to the
   * end of its timeline.
   */
  async finish(): Promise<NextTimeline | undefined> {
    return nextTimeline(await this.session.finish());
  }
}

const WAL_DATA = 0x77; // 'w'
const WAL_DATA_HEADER_BYTES = 25; // type, start LSN, end LSN, clock
const KEEPALIVE = 0x6b; // 'k'
const KEEPALIVE_BYTES = 18; // type, end LSN, clock, reply requested

/** The row next_tli, next_tli_startpos, if there is one. */
function nextTimeline(results: ResultSet[]): NextTimeline | undefined {
  const row = results.find((result) => result.rows.length > 0)?.rows[0];
  if (row === undefined) return undefined;
  const command = "START_REPLICATION";
  return { timelineId: Number(requireValue(row[0], command)), lsn: parseLsn(requireValue(row[1], command)) };
}
