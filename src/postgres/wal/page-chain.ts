import type { Lsn } from "../../lsn.js";
import { walDamage } from "./wal-damage.js";
import type { WalPageHeader } from "./wal-page.js";

/** Checks that page headers belong to one history: one Postgres version, one cluster, rising timeline ids. */
export class PageChain {
  /** Major version of the Postgres that wrote the pages; unknown before the first. */
  majorVersion: number | undefined;
  /** Postgres timeline id of the last page; 0 before the first. */
  timelineId = 0;
  #systemIdentifier: bigint | undefined;

  /** Takes pages of this cluster only; without an identifier, of the first segment's. */
  constructor(systemIdentifier: bigint | undefined) {
    this.#systemIdentifier = systemIdentifier;
  }

  /** The same chain, to go on with by itself. */
  clone(): PageChain {
    const chain = new PageChain(this.#systemIdentifier);
    chain.majorVersion = this.majorVersion;
    chain.timelineId = this.timelineId;
    return chain;
  }

  /** Throws XX001 unless the page at `lsn` with this header may be the next. */
  append(header: WalPageHeader, lsn: Lsn): void {
    this.majorVersion ??= header.majorVersion;
    if (header.majorVersion !== this.majorVersion) {
      throw walDamage(lsn, `a page of PostgreSQL ${header.majorVersion} among those of ${this.majorVersion}`);
    }
    this.#systemIdentifier ??= header.systemIdentifier;
    if (header.systemIdentifier !== undefined && header.systemIdentifier !== this.#systemIdentifier) {
      const expected = this.#systemIdentifier;
      throw walDamage(lsn, `the system identifier is ${header.systemIdentifier}, expected ${expected}`);
    }
    if (header.timelineId < this.timelineId) {
      throw walDamage(
        lsn,
        `a page of timeline ${header.timelineId} after one of timeline ${this.timelineId}`,
      );
    }
    this.timelineId = header.timelineId;
  }
}
