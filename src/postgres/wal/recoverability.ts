import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { parseParameterChange } from "./parameter-change.js";
import { parseRecord } from "./parse-record.js";
import { WAL_PAGE_SIZE, walPageHeaderSize } from "./wal-page.js";
import type { WalReader } from "./wal-reader.js";
import type { WalReaderOptions } from "./wal-reader-options.js";
import type { WalRecord } from "./wal-record.js";

const RM_XLOG = 0;
/** Postgres's own resource managers have the ids up to here, those of extensions the ones from 128 on (15 and later): these
 * are taken, since a Postgres that loads the extension recovers them. */
const RM_MAX_BUILTIN = 21;
const RM_MIN_CUSTOM = 128;

/** Records of RM_XLOG that are judged, by info (Postgres source: pg_control.h). */
enum XlogInfo {
  CheckpointShutdown = 0x00,
  CheckpointOnline = 0x10,
  BackupEnd = 0x50,
  ParameterChange = 0x60,
  EndOfRecovery = 0x90,
  OverwriteContrecord = 0xd0,
}
const JUDGED = new Set<number>(Object.values(XlogInfo).filter((info) => typeof info === "number"));

const WAL_LEVEL_MINIMAL = 0;

/** Where recovery begins. */
export interface RecoveryStart {
  /** Records that start before it are not recovered, and do not count. */
  readonly lsn: Lsn;
  /** The Postgres timeline there. If it is not known, the first record that names one tells it. */
  readonly timelineId?: number;
  readonly walSegmentSize: number;
}

/**
 * Judges WAL as recovery from a base backup does (Postgres source: xlog.c, xlogrecovery.c): at some records it stops,
 * whatever comes behind them, and others have to be there. What records do to their pages is not judged.
 */
export class Recoverability {
  readonly #start: RecoveryStart;
  #timelineId: number | undefined;
  #backupEndLsn: Lsn | undefined;
  #shutdownInBackup: Lsn | undefined;
  #checkpoints = new Set<Lsn>();

  constructor(start: RecoveryStart) {
    this.#start = start;
    this.#timelineId = start.timelineId;
  }

  /** End of the record that ends the base backup; undefined before it has come. A standby's backup has none. */
  get backupEndLsn(): Lsn | undefined {
    return this.#backupEndLsn;
  }

  /** Where the first shutdown checkpoint stands before the end of the base backup. */
  get shutdownInBackup(): Lsn | undefined {
    return this.#shutdownInBackup;
  }

  /** Where the checkpoints stand from which recovery begins at the start. */
  get checkpoints(): ReadonlySet<Lsn> {
    return this.#checkpoints;
  }

  /** One that goes on from here by itself. */
  clone(): Recoverability {
    const clone = new Recoverability(this.#start);
    clone.#timelineId = this.#timelineId;
    clone.#backupEndLsn = this.#backupEndLsn;
    clone.#shutdownInBackup = this.#shutdownInBackup;
    clone.#checkpoints = new Set(this.#checkpoints);
    return clone;
  }

  /** Whether a record with this resource manager and info is to be taken. */
  wants(rmid: number, info: number): boolean {
    return rmid > RM_MAX_BUILTIN || (rmid === RM_XLOG && JUDGED.has(info & 0xf0));
  }

  /**
   * Takes the next record that it wants; `previousEnd` is where the one before it in the WAL ends. Throws 55000 for one
   * that recovery does not go beyond, with the reason.
   */
  take(record: WalRecord, previousEnd: Lsn): void {
    if (record.startLsn < this.#start.lsn) return;
    const reason = record.rmid === RM_XLOG ? this.#judge(record, previousEnd) : this.#judgeManager(record);
    if (reason !== undefined) throw new UnrecoverableWalError(record.startLsn, reason);
  }

  #judge(record: WalRecord, previousEnd: Lsn): string | undefined {
    const { mainData } = parseRecord(record);
    switch (record.info & 0xf0) {
      case XlogInfo.ParameterChange:
        if (parseParameterChange(record).walLevel !== WAL_LEVEL_MINIMAL) return undefined;
        return "the server ran with wal_level=minimal there, which leaves out what recovery needs";
      case XlogInfo.CheckpointShutdown:
        if (this.#backupEndLsn === undefined) this.#shutdownInBackup ??= record.startLsn;
        return this.#judgeTimeline(mainData, true) ?? this.#judgeCheckpoint(record, mainData);
      case XlogInfo.CheckpointOnline:
        return this.#judgeTimeline(mainData, false) ?? this.#judgeCheckpoint(record, mainData);
      case XlogInfo.EndOfRecovery:
        return this.#judgeTimeline(mainData, true);
      case XlogInfo.BackupEnd:
        if (mainData.length < 8) return CUT_SHORT;
        if (mainData.readBigUInt64LE(0) === this.#start.lsn) this.#backupEndLsn ??= record.endLsn;
        return undefined;
      default:
        return this.#judgeOverwrite(mainData, previousEnd);
    }
  }

  /** CheckPoint and xl_end_of_recovery name their timelines at the same place. */
  #judgeTimeline(mainData: Buffer, canSwitch: boolean): string | undefined {
    if (mainData.length < 16) return CUT_SHORT;
    const [timelineId, previous] = [mainData.readUInt32LE(8), mainData.readUInt32LE(12)];
    const current = this.#timelineId ?? (canSwitch ? previous : timelineId);
    this.#timelineId = timelineId;
    if (timelineId === current || (canSwitch && previous === current && timelineId > current))
      return undefined;
    return `a record of timeline ${timelineId} does not follow timeline ${current}`;
  }

  #judgeCheckpoint({ startLsn }: WalRecord, mainData: Buffer): string | undefined {
    const redo = mainData.readBigUInt64LE(0);
    if (redo > startLsn) return "a checkpoint begins behind itself";
    if (redo === this.#start.lsn) this.#checkpoints.add(startLsn);
    return undefined;
  }

  /** After a crash: the record names the one that was left unfinished before it. */
  #judgeOverwrite(mainData: Buffer, previousEnd: Lsn): string | undefined {
    if (mainData.length < 8) return CUT_SHORT;
    const onPageStart = previousEnd % BigInt(WAL_PAGE_SIZE) === 0n;
    const header = onPageStart ? walPageHeaderSize(previousEnd, this.#start.walSegmentSize) : 0;
    const abandoned = previousEnd + BigInt(header);
    if (mainData.readBigUInt64LE(0) === abandoned) return undefined;
    return `it gives up another record than the one at ${formatLsn(abandoned)}`;
  }

  #judgeManager({ rmid, majorVersion }: WalRecord): string | undefined {
    if (rmid >= RM_MIN_CUSTOM && majorVersion >= 15) return undefined;
    return `PostgreSQL ${majorVersion} has no resource manager ${rmid}`;
  }
}

const CUT_SHORT = "its record is cut short";

/** What a reader is told so that it stops before the first record that recovery does not go beyond. */
export function judgedBy(
  judge: Recoverability,
  reader: () => WalReader,
): Required<Pick<WalReaderOptions, "onRecord" | "select">> {
  return {
    select: (rmid, info) => judge.wants(rmid, info),
    onRecord: (record) => judge.take(record, reader().endLsn),
  };
}

/** WAL that no Postgres recovers, nor any behind it: 55000. */
export class UnrecoverableWalError extends NeonError {
  /** `lsn` is where the record begins that recovery does not go beyond. */
  constructor(lsn: Lsn, reason: string) {
    const text = `no PostgreSQL can recover the WAL at ${formatLsn(lsn)} and behind it: ${reason}`;
    super("object_not_in_prerequisite_state", text, {
      party: "source",
      hint: "Import again: a base backup that begins behind it can be recovered.",
    });
  }
}
