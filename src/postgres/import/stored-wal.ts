import type { TimelineHistory, WalPiece } from "../../../gen/neon/pageserver/v1/record_pb.js";
import type { Lsn } from "../../lsn.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import type { Branch, Store } from "../../timeline/store.js";
import { parseTimelines, type Timeline } from "../timelines.js";

/** WAL of a branch, and the Postgres timeline that it is of. */
export interface StoredPiece {
  readonly lsn: Lsn;
  readonly timelineId: number;
  readonly data: Buffer;
}

/** The WAL that a branch holds, found without a scan of its frames. */
export class StoredWal {
  readonly branch: Branch;
  readonly #reader: ChainReader;

  constructor(store: Store, branch: Branch) {
    this.branch = branch;
    this.#reader = store.reader(branch);
  }

  /** The stored bytes from `from` to the head, which belong to the caller. */
  async *pieces(from: Lsn): AsyncGenerator<StoredPiece> {
    for await (const { records } of this.#reader.walFrames(await this.#firstFrame(from))) {
      for (const { record } of records) {
        if (record.case !== "wal") continue;
        const piece = trim(record.value, from);
        if (piece.data.length > 0) yield piece;
      }
    }
  }

  /**
   * The Postgres timelines that the branch runs through, oldest first. Its first one's history was stored by the import;
   * where a later one begins is searched by LSN.
   */
  async timelines(): Promise<Timeline[]> {
    const { start, head } = this.branch;
    const first = start.postgresTimelineId;
    const timelines = parseTimelines(first, first > 1 ? await this.#firstHistory() : undefined);
    const last = await this.#timelineOf(head.lsn - 1n);
    for (let id = first; id !== last; ) {
      let low = start.walStartLsn;
      let high = head.lsn - 1n;
      while (low < high) {
        const middle = (low + high) / 2n;
        if ((await this.#timelineOf(middle)) > id) high = middle;
        else low = middle + 1n;
      }
      id = await this.#timelineOf(low);
      timelines.push({ id, begin: low });
    }
    return timelines;
  }

  /**
   * A frame may hold the beginning of a record whose end is in a later one, where it counts: the search begins behind
   * the frame with the last end before `lsn`.
   */
  async #firstFrame(lsn: Lsn): Promise<number> {
    const seq = (await this.#reader.find(lsn + 1n)) ?? this.#reader.lastSeq;
    if (seq === 0) return 0;
    return (await this.#reader.find(await this.#reader.lsn(seq - 1))) ?? seq;
  }

  async #timelineOf(lsn: Lsn): Promise<number> {
    for await (const { timelineId } of this.pieces(lsn)) return timelineId;
    return this.branch.start.postgresTimelineId;
  }

  /** The import stores the first timeline's history before anything else. */
  async #firstHistory(): Promise<Uint8Array | undefined> {
    const isFirst = ({ postgresTimelineId }: TimelineHistory) =>
      postgresTimelineId === this.branch.start.postgresTimelineId;
    for await (const { records } of this.#reader.walFrames()) {
      for (const { record } of records) {
        if (record.case === "timelineHistory" && isFirst(record.value)) return record.value.content;
      }
    }
    return undefined;
  }
}

function trim({ startLsn, postgresTimelineId: timelineId, data }: WalPiece, from: Lsn): StoredPiece {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (startLsn >= from) return { lsn: startLsn, timelineId, data: bytes };
  const missing = Math.min(data.length, Number(from - startLsn));
  return { lsn: from, timelineId, data: bytes.subarray(missing) };
}
