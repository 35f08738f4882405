import type { ChainReader } from "../../timeline/chain-reader.js";

/** Number of the last frame that chains share from their beginning, the very same bytes of it. -1: none. */
export function lastShared([first, ...others]: readonly ChainReader[]): number {
  return Math.min(first.lastSeq, ...others.map((other) => lastSharedBy(first, other)));
}

/** Parts things by the segment that holds frame `seq` of their chains, which all have one. */
export function groupBySegment<T extends { reader: ChainReader }>(things: readonly T[], seq: number): T[][] {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const id = thing.reader.extents.find(({ lastSeq }) => lastSeq >= seq)?.segmentId ?? "";
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [thing]);
    else group.push(thing);
  }
  return [...groups.values()];
}

function lastSharedBy(a: ChainReader, b: ChainReader): number {
  let shared = -1;
  for (const [i, { segmentId, lastSeq }] of a.extents.entries()) {
    const other = b.extents[i];
    if (other?.segmentId !== segmentId) break;
    shared = Math.min(lastSeq, other.lastSeq);
    if (lastSeq !== other.lastSeq) break;
  }
  return shared;
}
