/** What the next byte that is not of a page header belongs to. */
export enum WalReaderState {
  /** Only the first page's header can tell. */
  Unknown,
  /** The next record: it is its first byte. */
  Boundary,
  /** A record whose beginning was taken. */
  Record,
  /** The rest of a record that began before `startLsn`. */
  Remainder,
  /** What XLOG_SWITCH leaves unused of its segment. */
  Padding,
}
