import type { StartRecord } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE, MAX_START_CONTENT_BYTES } from "../../limits.js";
import { formatLsn } from "../../lsn.js";
import { decodeRecords } from "./decode-records.js";
import type { Frame } from "./frame.js";

/**
 * The start record in the first frame of a chain. Throws XX001 if it holds none, 54000 if the frame is too long for one; not
 * for what stands in it (see {@link assertStartRecord}).
 */
export function readStartRecord(frame: Frame): StartRecord {
  const { contentLength } = frame.header;
  if (contentLength > MAX_START_CONTENT_BYTES) {
    throw new NeonError(
      "program_limit_exceeded",
      `the first frame of the chain holds ${contentLength} bytes, the limit is ${MAX_START_CONTENT_BYTES}`,
      { party: "source" },
    );
  }
  const { records } = decodeRecords(frame);
  const record = records[0]?.record;
  if (record?.case === "start" && records.length === 1) return record.value;
  throw new NeonError("data_corrupted", "the first frame of the chain holds no start record", {
    party: "source",
  });
}

const IMPORT_ID_BYTES = 16;
const MIN_WAL_SEGMENT_SIZE = 1024 * 1024;
const MAX_WAL_SEGMENT_SIZE = 1024 * 1024 * 1024;
/** server_version_num has six digits since PostgreSQL 10. */
const VERSION_NUMS = { min: 100_000, max: 999_999 };

/** Throws XX001 for a start record that breaks a MUST of the schema: what reads a branch computes with these numbers. */
export function assertStartRecord(start: StartRecord): void {
  const { importId, blockSize, walSegmentSize, walStartLsn, backupStartLsn, serverVersionNum } = start;
  if (importId.length !== IMPORT_ID_BYTES) throw impossible(`its import id has ${importId.length} bytes`);
  if (blockSize !== BLOCK_SIZE) throw impossible(`pages of ${blockSize} bytes`);
  const isPowerOfTwo = (walSegmentSize & (walSegmentSize - 1)) === 0;
  if (!isPowerOfTwo || walSegmentSize < MIN_WAL_SEGMENT_SIZE || walSegmentSize > MAX_WAL_SEGMENT_SIZE)
    throw impossible(`WAL segments of ${walSegmentSize} bytes`);
  if (serverVersionNum < VERSION_NUMS.min || serverVersionNum > VERSION_NUMS.max)
    throw impossible(`server version ${serverVersionNum}`);
  if (start.postgresTimelineId === 0) throw impossible("a Postgres timeline id of 0");
  if (walStartLsn !== backupStartLsn - (backupStartLsn % BigInt(walSegmentSize))) {
    const [wal, backup] = [walStartLsn, backupStartLsn].map(formatLsn);
    throw impossible(
      `WAL from ${wal} on, which is not where the segment of the backup's start at ${backup} begins`,
    );
  }
}

function impossible(what: string): NeonError {
  return new NeonError("data_corrupted", `the start record of the chain cannot be: ${what}`, {
    party: "source",
  });
}
