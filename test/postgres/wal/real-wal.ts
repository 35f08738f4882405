import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findTool, type TestPostgres } from "../../../scripts/support/postgres.js";
import { parseLsn } from "../../../src/lsn.js";
import type { RecordLine } from "./read-all.js";

/** Settings under which a cluster keeps all its WAL and writes none on its own account. */
export const KEEP_WAL = {
  wal_keep_size: "1GB",
  max_wal_size: "1GB",
  checkpoint_timeout: "1h",
  autovacuum: "off",
  fsync: "off",
  wal_level: "replica",
  max_wal_senders: "5",
};

/** A stretch of a real cluster's WAL. */
export interface RealWal {
  readonly startLsn: bigint;
  readonly bytes: Buffer;
}

/** The WAL in a cluster's directory from its first segment up to `endLsn`, of the newest timeline where there are two. */
export function walOf(dataDir: string, walSegmentSize: number, endLsn: bigint): RealWal {
  const directory = join(dataDir, "pg_wal");
  const newest = new Map<bigint, string>();
  for (const name of readdirSync(directory).sort()) {
    if (/^[0-9A-F]{24}$/.test(name)) newest.set(segmentStart(name, walSegmentSize), name);
  }
  const starts = [...newest.keys()].filter((start) => start < endLsn).sort((a, b) => (a < b ? -1 : 1));
  const startLsn = starts[0] as bigint;
  const files = starts.map((start) => readFileSync(join(directory, newest.get(start) as string)));
  return { startLsn, bytes: Buffer.concat(files).subarray(0, Number(endLsn - startLsn)) };
}

function segmentStart(name: string, walSegmentSize: number): bigint {
  const high = BigInt(`0x${name.slice(8, 16)}`) << 32n;
  return high + BigInt(`0x${name.slice(16)}`) * BigInt(walSegmentSize);
}

/**
 * The end of a record, with all before it in the files: after it a commit is flushed. (The flushed LSN itself may lie
 * inside a record: the WAL writer flushes whole pages.)
 */
export async function flushedLsn(postgres: TestPostgres): Promise<bigint> {
  const [[text]] = (await postgres.query("select pg_current_wal_insert_lsn()")) as [[string]];
  await postgres.query("select pg_logical_emit_message(true, '', '')");
  const lsn = parseLsn(text);
  // Where the next record would go is just past a page header, if the last one filled its page.
  const [[size]] = (await postgres.query(
    "select setting from pg_settings where name = 'wal_segment_size'",
  )) as [[string]];
  const inSegment = lsn % BigInt(size);
  if (inSegment === 40n) return lsn - 40n;
  return inSegment % 8192n === 24n ? lsn - 24n : lsn;
}

/** The pg_waldump of this major version, if it is installed. */
export function walDumpOf(major: number): string | undefined {
  const tool = findTool("pg_waldump");
  if (tool === undefined) return undefined;
  const { stdout } = spawnSync(tool, ["--version"], { encoding: "utf8" });
  return stdout.includes(`(PostgreSQL) ${major}.`) ? tool : undefined;
}

/** A record as pg_waldump prints it. */
export interface DumpedRecord extends RecordLine {
  /** `1663/5/2619 main 7`, and ` FPW` for a block that comes with its image. */
  readonly blocks: string[];
}

/** All records that pg_waldump finds in a range of one timeline. */
export function dumpWal(
  tool: string,
  dataDir: string,
  timelineId: number,
  startLsn: string,
  endLsn: string,
): DumpedRecord[] {
  const { stdout } = spawnSync(
    tool,
    ["-p", join(dataDir, "pg_wal"), "-t", String(timelineId), "-s", startLsn, "-e", endLsn],
    { encoding: "utf8", maxBuffer: 2 ** 30 },
  );
  const line =
    /^rmgr: (\w+) +len \(rec\/tot\): +\d+\/ *(\d+), tx: +\d+, lsn: ([0-9A-F/]+), prev ([0-9A-F/]+), desc: (.*)$/gm;
  return [...stdout.matchAll(line)].map(([, name, length, lsn, prev, desc]) => ({
    lsn: parseLsn(lsn as string),
    prev: parseLsn(prev as string),
    rmid: RESOURCE_MANAGERS.indexOf(name as string),
    length: Number(length),
    blocks: [...(desc as string).matchAll(BLOCK_REFERENCE)].map(
      ([, relation, fork, block, image]) => `${relation} ${fork ?? "main"} ${block}${image ?? ""}`,
    ),
  }));
}

const BLOCK_REFERENCE =
  /blkref #\d+: rel (\d+\/\d+\/\d+) (?:fork (\w+) )?blk (\d+)( FPW(?: for WAL verification)?)?/g;

/** The names that pg_waldump and pg_walinspect use, in the order of rmgrlist.h. */
export const RESOURCE_MANAGERS = [
  "XLOG",
  "Transaction",
  "Storage",
  "CLOG",
  "Database",
  "Tablespace",
  "MultiXact",
  "RelMap",
  "Standby",
  "Heap2",
  "Heap",
  "Btree",
  "Hash",
  "Gin",
  "Gist",
  "Sequence",
  "SPGist",
  "BRIN",
  "CommitTs",
  "ReplicationOrigin",
  "Generic",
  "LogicalMessage",
];
