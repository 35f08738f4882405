import { formatLsn, type Lsn } from "../../lsn.js";

/** A server's WAL is not a branch's. What is known at that moment; the refusal that people see is made of it. */
export class WalDifference extends Error {
  constructor(
    /** The first byte that differs of those that were compared. */
    readonly lsn: Lsn,
  ) {
    super(`WAL differs at ${formatLsn(lsn)}`);
  }
}
