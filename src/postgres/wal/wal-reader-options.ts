import type { Lsn } from "../../lsn.js";
import type { WalRecord } from "./wal-record.js";

/** What a WalReader is told. */
export interface WalReaderOptions {
  /** Where the pushed bytes begin: the start of a WAL segment, or of a page. It may lie in the middle of a record. */
  readonly startLsn: Lsn;
  /** Size of a WAL segment in bytes. */
  readonly walSegmentSize: number;
  /** Refuse WAL of any other cluster; without it, of any other than the first segment's. */
  readonly systemIdentifier?: bigint;
  /** Takes every complete record that `select` wants, in order, during the push that completes it. */
  readonly onRecord?: (record: WalRecord) => void;
  /** Which records `onRecord` gets, by resource manager and info; all, if not given. The others cost no allocation. */
  readonly select?: (rmid: number, info: number) => boolean;
}
