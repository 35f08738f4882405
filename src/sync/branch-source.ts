import { pointOf } from "../timeline/branch.js";
import type { Branch, Store } from "../timeline/store.js";
import type { Source } from "./party.js";

/** Frames that a locator names one by one behind the head, before the distances double. */
const RECENT = 16;
/** Every frame with such a number is preferred, since stores find it without a scan. */
const PREFERRED = 64;

/** A branch of a store as a source, at the head that `branch` has. Its frames stay until the source is released. */
export function branchSource(store: Store, branch: Branch): Source {
  const release = store.pin(pointOf(branch));
  const reader = store.reader(branch);
  return {
    start: branch.start,
    head: branch.head,
    frames: branch.frames,
    bytes: branch.bytes,
    positions: (seqs) =>
      Promise.all(
        seqs.map(async (seq) => ({ seq, digest: await reader.digest(seq), lsn: await reader.lsn(seq) })),
      ),
    bytesFrom: (firstSeq) => reader.bytes(firstSeq, branch.head.seq),
    runs: (firstSeq) => reader.runs(firstSeq),
    release,
  };
}

/** Numbers of the frames that a locator names, newest first: 16 recent ones, then at doubling distances, then 0. */
export function locatorSeqs(head: number): number[] {
  const seqs: number[] = [];
  let distance = 1;
  for (let seq = head; seq > 0; ) {
    seqs.push(seq);
    if (seqs.length > RECENT) distance *= 2;
    const next = seq - distance;
    seq = distance >= PREFERRED ? next - (((next % PREFERRED) + PREFERRED) % PREFERRED) : next;
  }
  seqs.push(0);
  return seqs;
}
