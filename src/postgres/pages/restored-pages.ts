import type { Lsn } from "../../lsn.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import { parseRecord } from "../wal/parse-record.js";
import { WalReader } from "../wal/wal-reader.js";

/** A page of a relation fork; `fork` is a RelationForkName. */
export interface PageName {
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  readonly fork: number;
  readonly block: number;
}

/** The same text for the same page. */
export function pageKey({ tablespaceOid, databaseOid, relationNumber, fork, block }: PageName): string {
  return `${tablespaceOid}/${databaseOid}/${relationNumber}/${fork}/${block}`;
}

/** The WAL that makes a base backup consistent. */
export interface BackupWal {
  readonly reader: ChainReader;
  readonly walStartLsn: Lsn;
  readonly walSegmentSize: number;
  readonly backupStartLsn: Lsn;
  readonly backupStopLsn: Lsn;
}

const RM_DBASE = 4;
/** XLOG_DBASE_CREATE of 14, XLOG_DBASE_CREATE_FILE_COPY since 15. */
const DBASE_CREATE = 0x00;

/**
 * Finds which of the pages with these keys recovery of a base backup makes whole without reading them: the first record
 * behind the backup's start that refers to one brings an image of it or makes it anew, be it by copying the whole
 * database. Postgres sees to that for every page that it writes during a base backup (manual: full_page_writes). Throws
 * XX001 for damage of that WAL.
 */
export async function findRestoredPages(wal: BackupWal, keys: ReadonlySet<string>): Promise<Set<string>> {
  const { backupStartLsn, backupStopLsn } = wal;
  const restored = new Set<string>();
  const seen = new Set<string>();
  const records = new WalReader({
    startLsn: wal.walStartLsn,
    walSegmentSize: wal.walSegmentSize,
    onRecord(record) {
      if (record.startLsn < backupStartLsn || record.startLsn >= backupStopLsn) return;
      const { blocks, mainData } = parseRecord(record);
      if (record.rmid === RM_DBASE && (record.info & 0xf0) === DBASE_CREATE) {
        const database = `${mainData.readUInt32LE(4)}/${mainData.readUInt32LE(0)}/`;
        for (const key of keys) {
          if (key.startsWith(database) && !seen.has(key)) restored.add(key);
        }
      }
      for (const { forkNumber, image, initializes, ...page } of blocks) {
        const key = pageKey({ ...page, fork: forkNumber + 1 });
        if (!keys.has(key) || seen.has(key)) continue;
        seen.add(key);
        if (image === "apply" || initializes) restored.add(key);
      }
    },
  });
  for await (const { records: pieces } of wal.reader.walFrames()) {
    for (const { record } of pieces) {
      if (record.case !== "wal") continue;
      const { data } = record.value;
      records.push(Buffer.from(data.buffer, data.byteOffset, data.length));
    }
    if (records.endLsn >= backupStopLsn) break;
  }
  return restored;
}
