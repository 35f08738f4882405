import type { Lsn } from "../../lsn.js";
import type { ControlFile } from "../control-file.js";
import { isParameterChange, type ParameterChange, parseParameterChange } from "../wal/parameter-change.js";
import type { WalRecord } from "../wal/wal-record.js";

/** The settings of the history that recovery of it cannot do with less of. */
export type RecoveryLimits = Pick<
  ParameterChange,
  "maxConnections" | "maxWorkerProcesses" | "maxWalSenders" | "maxPreparedXacts" | "maxLocksPerXact"
>;

/** What recovery of a history needs of the Postgres that recovers it. */
export interface RecoveryNeeds {
  /** The largest that each was. */
  readonly limits: RecoveryLimits;
  /** Whether commit timestamps are kept at the head. */
  readonly trackCommitTimestamp: boolean;
  /** Resource managers of extensions that the WAL has records of: recovery ends at one whose library is not loaded. */
  readonly extensionResourceManagers: readonly number[];
  /** The Postgres timeline to follow, where recovery does not find it by itself. */
  readonly targetTimelineId?: number | undefined;
}

/** First id of a resource manager that an extension brings (Postgres 15 and later). */
const FIRST_EXTENSION_RESOURCE_MANAGER = 128;

/**
 * Learns what recovery needs from the WAL that it will replay. `pg_control` in the base backup says it only as of then:
 * each restart of the source may have raised or lowered a limit since.
 */
export class RecoveryNeedsReader {
  readonly #startLsn: Lsn;
  readonly #changes: ParameterChange[] = [];
  readonly #resourceManagers = new Set<number>();

  /** `startLsn`: where the base backup starts. What the WAL says before is older than `pg_control`. */
  constructor(startLsn: Lsn) {
    this.#startLsn = startLsn;
  }

  /** Whether {@link take} wants a record: few, so that nearly all of the WAL costs nothing. */
  wants(rmid: number, info: number): boolean {
    if (rmid >= FIRST_EXTENSION_RESOURCE_MANAGER) return !this.#resourceManagers.has(rmid);
    return isParameterChange(rmid, info);
  }

  /** Takes a record; keeps none of its bytes. */
  take(record: WalRecord): void {
    if (record.startLsn < this.#startLsn) return;
    if (isParameterChange(record.rmid, record.info)) this.#changes.push(parseParameterChange(record));
    else this.#resourceManagers.add(record.rmid);
  }

  /** What all the records and `pg_control` say together. */
  needs(control: ControlFile): RecoveryNeeds {
    const all = [control, ...this.#changes];
    const largest = (of: (change: RecoveryLimits) => number) => Math.max(...all.map(of));
    return {
      limits: {
        maxConnections: largest((change) => change.maxConnections),
        maxWorkerProcesses: largest((change) => change.maxWorkerProcesses),
        maxWalSenders: largest((change) => change.maxWalSenders),
        maxPreparedXacts: largest((change) => change.maxPreparedXacts),
        maxLocksPerXact: largest((change) => change.maxLocksPerXact),
      },
      trackCommitTimestamp: (this.#changes.at(-1) ?? control).trackCommitTimestamp,
      extensionResourceManagers: [...this.#resourceManagers].sort((a, b) => a - b),
    };
  }
}
