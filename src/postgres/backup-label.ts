import { NeonError } from "../errors.js";
import { type Lsn, parseLsn } from "../lsn.js";

/** What `backup_label` says: with this file in the data directory recovery begins where the base backup did. */
export interface BackupLabel {
  /** Where recovery begins. */
  readonly startLsn: Lsn;
  /** The checkpoint record that it begins with. */
  readonly checkpointLsn: Lsn;
  /** A standby's backup ends at pg_control's minimum recovery point, a primary's with a record in the WAL. */
  readonly fromStandby: boolean;
  /** Postgres timeline id at the start. */
  readonly timelineId: number;
}

const LSN = "([0-9A-F]{1,8}/[0-9A-F]{1,8})";

/** Reads `backup_label` (Postgres source: read_backup_label). Throws XX001 for one that Postgres would not take. */
export function parseBackupLabel(content: Uint8Array): BackupLabel {
  const text = Buffer.from(content.buffer, content.byteOffset, content.length).toString("latin1");
  const field = (pattern: string) => new RegExp(`^${pattern}$`, "m").exec(text)?.[1];
  const start = new RegExp(`^START WAL LOCATION: ${LSN} \\(file [0-9A-F]{24}\\)\n`).exec(text)?.[1];
  const checkpoint = field(`CHECKPOINT LOCATION: ${LSN}`);
  const from = field("BACKUP FROM: (primary|standby)");
  const timeline = field("START TIMELINE: (\\d{1,10})");
  const isWhole =
    start !== undefined && checkpoint !== undefined && from !== undefined && timeline !== undefined;
  if (!isWhole || field("(INCREMENTAL FROM LSN: .*)") !== undefined) {
    throw new NeonError("data_corrupted", "backup_label is none of a whole base backup", { party: "source" });
  }
  return {
    startLsn: parseLsn(start),
    checkpointLsn: parseLsn(checkpoint),
    fromStandby: from === "standby",
    timelineId: Number(timeline),
  };
}
