import type { WalPiece } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { TablespacePathBlanker } from "../wal/blank-tablespace-paths.js";
import type { Recoverability } from "../wal/recoverability.js";
import type { FileWriter } from "./file-writer.js";
import type { RecoveryNeedsReader } from "./recovery-needs.js";
import { walSegmentName } from "./wal-segment-name.js";

/** What {@link WalSegments} is told. */
export interface WalSegmentsOptions {
  readonly files: FileWriter;
  /** See the records in the same pass. */
  readonly judge: Recoverability;
  readonly needs: RecoveryNeedsReader;
  /** Where the stored WAL begins: the start of a segment. */
  readonly startLsn: Lsn;
  /** Where the branch ends. Nothing later is written. */
  readonly headLsn: Lsn;
  /** Size of a segment in bytes. */
  readonly walSegmentSize: number;
}

interface Segment {
  readonly path: string;
  readonly number: bigint;
}

/**
 * Writes WAL into segment files in `pg_wal`, up to the head, without the paths of tablespaces.
 *
 * Where the Postgres timeline changes inside a segment, the segment goes on under the new timeline's name, with the
 * old bytes before the switch: recovery follows the newest timeline and looks for that name.
 */
export class WalSegments {
  /** Whether a path of a tablespace was blanked. */
  blanked = false;
  readonly #files: FileWriter;
  readonly #headLsn: Lsn;
  readonly #segmentSize: bigint;
  readonly #blanker: TablespacePathBlanker;
  /** The segment that was written last, and the one before it. */
  #current: Segment | undefined;
  #previous: Segment | undefined;
  /** Where the next piece begins. */
  #end: Lsn;

  constructor(options: WalSegmentsOptions) {
    this.#files = options.files;
    this.#headLsn = options.headLsn;
    this.#segmentSize = BigInt(options.walSegmentSize);
    this.#end = options.startLsn;
    const { needs, judge } = options;
    this.#blanker = new TablespacePathBlanker({
      ...options,
      select: (rmid, info) => judge.wants(rmid, info) || needs.wants(rmid, info),
      onRecord: (record) => {
        if (judge.wants(record.rmid, record.info)) judge.take(record, this.#blanker.endLsn);
        if (needs.wants(record.rmid, record.info)) needs.take(record);
      },
    });
  }

  /** Writes a piece. Throws XX001 if it does not begin where the one before ended, and what the judge throws. */
  async write(piece: WalPiece): Promise<void> {
    if (piece.startLsn !== this.#end) {
      const text = `a piece of WAL begins at ${formatLsn(piece.startLsn)}, the one before ends at ${formatLsn(this.#end)}`;
      throw new NeonError("data_corrupted", text, { party: "source" });
    }
    const length = BigInt(piece.data.length);
    this.#end += length;
    const end = earlier(this.#end, this.#headLsn);
    for (let lsn = piece.startLsn; lsn < end; ) {
      const offset = lsn % this.#segmentSize;
      const next = earlier(lsn - offset + this.#segmentSize, end);
      const path = await this.#enter(piece.postgresTimelineId, lsn / this.#segmentSize);
      const data = piece.data.subarray(Number(lsn - piece.startLsn), Number(next - piece.startLsn));
      await this.#files.write(path, data, Number(offset));
      await this.#blankPaths(data);
      lsn = next;
    }
  }

  /**
   * Gives the last segment its full size, with zeros after the head. A segment cut short at the head boots without a
   * complaint and loses the last commits. Throws XX001 if the WAL ends before the head.
   */
  async finish(): Promise<void> {
    if (this.#end < this.#headLsn || this.#current === undefined) {
      const text = `WAL is missing from ${formatLsn(this.#end)} to the head at ${formatLsn(this.#headLsn)}`;
      throw new NeonError("data_corrupted", text, { party: "source" });
    }
    const { path, number } = this.#current;
    await this.#files.truncate(path, Number(this.#headLsn - number * this.#segmentSize));
    await this.#files.truncate(path, Number(this.#segmentSize));
  }

  async #blankPaths(data: Uint8Array): Promise<void> {
    const patches = this.#blanker.push(Buffer.from(data.buffer, data.byteOffset, data.length));
    for (const { lsn, bytes } of patches) {
      this.blanked = true;
      const number = lsn / this.#segmentSize;
      // Such a record is about 1 KB long: it begins in this segment or in the one before.
      const segment = this.#previous?.number === number ? this.#previous : this.#current;
      await this.#files.write((segment as Segment).path, bytes, Number(lsn % this.#segmentSize));
    }
  }

  async #enter(timelineId: number, number: bigint): Promise<string> {
    const path = `pg_wal/${walSegmentName(timelineId, number, Number(this.#segmentSize))}`;
    if (this.#current?.number === number && this.#current.path !== path) {
      await this.#files.rename(this.#current.path, path);
    } else if (this.#current?.number !== number) {
      this.#previous = this.#current;
    }
    this.#current = { path, number };
    return path;
  }
}

function earlier(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}
