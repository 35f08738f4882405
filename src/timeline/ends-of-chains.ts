import { type ChainPoint, hex } from "./chain.js";
import type { Shelf } from "./segment/seal-segment.js";
import { timelineEnd } from "./timeline-end.js";

/** Where chains end, none of which is collected before `release` is called. */
export interface EndsOfChains {
  readonly points: ChainPoint[];
  release(): void;
}

/**
 * The ends of all timelines whose chains begin with the frame of digest `startDigest`, whether or not a branch stands
 * there: what an earlier session received is found again. Of a timeline that is still being received what is durable
 * counts, since nobody can know whether its session will ever go on; it is added to `shown`. `pin` keeps a point from
 * being collected, until what it returns is called.
 */
export async function endsOfChains(
  { refs, indexes }: Shelf,
  startDigest: Uint8Array,
  shown: Set<string>,
  pin: (point: ChainPoint) => () => void,
): Promise<EndsOfChains> {
  const timelineIds: string[] = [];
  for (const [key, info] of refs.timeline.entries()) {
    if (hex(info.startDigest) !== hex(startDigest)) continue;
    const timelineId = String(key);
    const lease = refs.lease.get(timelineId);
    const running = lease?.deadline === 0n;
    if (running && !lease?.resumable) continue;
    if (running) shown.add(timelineId);
    timelineIds.push(timelineId);
  }
  const pins = timelineIds.map((timelineId) => pin({ timelineId, seq: Number.MAX_SAFE_INTEGER, lsn: 0n }));
  const release = () => {
    for (const unpin of pins) unpin();
  };
  try {
    const ends = await Promise.all(timelineIds.map((id) => timelineEnd(refs, indexes, id)));
    return { points: ends.filter((end) => end !== undefined), release };
  } catch (error) {
    release();
    throw error;
  }
}
