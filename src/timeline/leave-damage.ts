import type { BranchRef } from "../../gen/neon/store/v1/store_pb.js";
import { type ChainPoint, hex, lineage, requireTimeline, timelineBytes } from "./chain.js";
import { firstBadFrame } from "./damage.js";
import { putForkTimeline } from "./fork-timeline.js";
import type { Refs } from "./refs.js";

/**
 * A branch that stood at `from` goes on in timeline `to`, which holds the same frames. If those of `from` are damaged and
 * those of `to` are not, everything else that stands on the damaged ones, branches and forks, is moved over too. Must run
 * inside the transaction that moves the branch.
 */
export function leaveDamage(refs: Refs, from: BranchRef, to: string): void {
  const last = { seq: Number(from.seq), lsn: from.lsn };
  const bad = firstBadFrame(refs, { timelineId: hex(from.timelineId), ...last });
  if (bad === undefined || firstBadFrame(refs, { timelineId: to, ...last }) !== undefined) return;
  // A timeline must not come to stand on itself.
  const beneath = new Set(
    Array.from(lineage(refs, { timelineId: to, ...last }), ({ timelineId }) => timelineId),
  );
  for (const { timelineId, lastSeq } of lineage(refs, { timelineId: hex(from.timelineId), ...last })) {
    const isDamaged = (seq: bigint) => seq >= BigInt(bad) && seq <= BigInt(lastSeq);
    // Forks first: those that branches get below stand on `to` already.
    for (const [id, info] of Array.from(refs.timeline.entries())) {
      if (hex(info.parent) !== timelineId || !isDamaged(info.forkSeq) || beneath.has(String(id))) continue;
      refs.timeline.put(id, { ...info, parent: Buffer.from(to, "hex") });
    }
    for (const [name, ref] of Array.from(refs.branch.entries())) {
      if (hex(ref.timelineId) !== timelineId || !isDamaged(ref.seq)) continue;
      refs.branch.put(name, { ...ref, timelineId: Buffer.from(forkAt(refs, ref, to), "hex") });
    }
  }
}

/**
 * A timeline of its own for a branch whose frames `to` holds too. On `to` itself it would stand in the middle: it could
 * not grow there without taking frames from the branch whose timeline that is.
 */
function forkAt(refs: Refs, ref: BranchRef, to: string): string {
  const left = hex(ref.timelineId);
  const { start, startDigest, forkBytes } = requireTimeline(refs, left);
  const point: ChainPoint = { timelineId: to, seq: Number(ref.seq), lsn: ref.lsn };
  return putForkTimeline(refs, point, {
    start,
    startDigest,
    // It stood at the end of its timeline, and the frames are the same.
    forkBytes: forkBytes + BigInt(timelineBytes(refs, left)),
  });
}
