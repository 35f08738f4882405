import type { Lsn } from "../../lsn.js";
import { WAL_PAGE_SIZE, walPageHeaderSize } from "./wal-page.js";

/** LSN of the byte at `offset` of the record that starts at `startLsn`: page headers within the record are stepped over. */
export function lsnInRecord(startLsn: Lsn, offset: number, walSegmentSize: number): Lsn {
  let lsn = startLsn;
  let left = offset;
  for (;;) {
    const room = roomOnPage(lsn);
    if (left < room) return lsn + BigInt(left);
    left -= room;
    lsn += BigInt(room);
    lsn += BigInt(walPageHeaderSize(lsn, walSegmentSize));
  }
}

/** Bytes from `lsn` to the end of its page. */
export function roomOnPage(lsn: Lsn): number {
  return WAL_PAGE_SIZE - Number(lsn % BigInt(WAL_PAGE_SIZE));
}

/** The page boundary for an LSN just past a page's header, where Postgres puts the next record; any other LSN as it is. */
export function lsnBeforePageHeader(lsn: Lsn, walSegmentSize: number): Lsn {
  const page = lsn - (lsn % BigInt(WAL_PAGE_SIZE));
  return lsn - page === BigInt(walPageHeaderSize(page, walSegmentSize)) ? page : lsn;
}
