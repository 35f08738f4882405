import type { Lsn } from "../../lsn.js";
import { pointOf } from "../../timeline/branch.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import type { Branch, Store } from "../../timeline/store.js";
import { StoredWal } from "../import/stored-wal.js";
import { WAL_PAGE_SIZE } from "../wal/wal-page.js";
import { WalReader } from "../wal/wal-reader.js";
import { commitTime, isCommit } from "./commit-time.js";
import { findConsistentPoint } from "./consistent-point.js";

/** A stretch of a branch's history: its base backup, or WAL that was appended at once. */
export interface Span {
  readonly kind: "base backup" | "wal";
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly frames: number;
  /** Bytes of the frames at rest. */
  readonly bytes: number;
  /** Digest of the last frame. */
  readonly digest: Buffer;
  readonly commits: Commits;
}

/** The transactions that commit in a span, in the order of the WAL. Times are microseconds since 1970. */
interface Commits {
  readonly count: number;
  readonly first: bigint | undefined;
  readonly last: bigint | undefined;
}

/** The spans of a branch's history, newest first. Throws XX001 for damage. */
export async function* readSpans(store: Store, branch: Branch): AsyncGenerator<Span> {
  const release = store.pin(pointOf(branch));
  try {
    const reader = store.reader(branch);
    const consistentSeq = (await findConsistentPoint(reader))?.seq ?? -1;
    for (const { firstSeq, lastSeq } of reader.extents.toReversed()) {
      const walSeq = Math.max(firstSeq, consistentSeq + 1);
      if (walSeq <= lastSeq) yield await describe(store, branch, reader, "wal", walSeq, lastSeq);
      if (firstSeq > consistentSeq) continue;
      yield await describe(store, branch, reader, "base backup", 0, consistentSeq);
      return;
    }
  } finally {
    release();
  }
}

async function describe(
  store: Store,
  branch: Branch,
  reader: ChainReader,
  kind: Span["kind"],
  firstSeq: number,
  lastSeq: number,
): Promise<Span> {
  const startLsn = firstSeq === 0 ? branch.start.walStartLsn : await reader.lsn(firstSeq - 1);
  const endLsn = await reader.lsn(lastSeq);
  return {
    kind,
    startLsn,
    endLsn,
    frames: lastSeq - firstSeq + 1,
    bytes: await reader.bytes(firstSeq, lastSeq),
    digest: await reader.digest(lastSeq),
    commits: await countCommits(store, branch, startLsn, endLsn),
  };
}

async function countCommits(store: Store, branch: Branch, startLsn: Lsn, endLsn: Lsn): Promise<Commits> {
  let count = 0;
  let first: bigint | undefined;
  let last: bigint | undefined;
  // A reader begins with a page, also where that page begins inside a record.
  const pageLsn = startLsn - (startLsn % BigInt(WAL_PAGE_SIZE));
  const wal = new WalReader({
    startLsn: pageLsn,
    walSegmentSize: branch.start.walSegmentSize,
    select: isCommit,
    onRecord: (record) => {
      if (record.startLsn < startLsn || record.endLsn > endLsn) return;
      count++;
      last = commitTime(record);
      first ??= last;
    },
  });
  if (startLsn === endLsn) return { count, first, last };
  for await (const { data } of new StoredWal(store, branch).pieces(pageLsn)) {
    wal.push(data);
    if (wal.endLsn >= endLsn) break;
  }
  return { count, first, last };
}
