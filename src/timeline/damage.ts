import { create } from "@bufbuild/protobuf";
import { SegmentDamageSchema } from "../../gen/neon/store/v1/store_pb.js";
import { type ChainPoint, type Extent, resolveChain } from "./chain.js";
import { decodeFrame } from "./frame/frame.js";
import { isDamage } from "./is-damage.js";
import type { Refs } from "./refs.js";
import type { Shelf } from "./segment/seal-segment.js";

/** Number of the first frame up to a point that is known to be damaged. */
export function firstBadFrame(refs: Refs, point: ChainPoint): number | undefined {
  if (refs.damage.empty) return undefined;
  for (const { segmentId, lastSeq } of resolveChain(refs, point)) {
    const bad = refs.damage.get(segmentId)?.firstBadSeq;
    if (bad !== undefined && bad <= BigInt(lastSeq)) return Number(bad);
  }
  return undefined;
}

/**
 * Takes down what reading the frames up to a point has shown: the first `good` frames are as they were written, and the
 * next one, if that is no more than the point's, could not be used. Returns whether that one's bytes are what is wrong,
 * so that they have to come again from elsewhere.
 */
export async function recordDamage(
  shelf: Shelf,
  point: ChainPoint & { readonly digest: Buffer },
  good: number,
): Promise<boolean> {
  const { refs } = shelf;
  const extents = resolveChain(refs, point);
  const at = extents.find(({ firstSeq, lastSeq }) => firstSeq <= good && good <= lastSeq);
  const bad = at !== undefined && !(await isAsWritten(shelf, at, good, point)) ? at : undefined;
  if (bad === undefined && refs.damage.empty) return false;
  await refs.transaction(() => {
    for (const { segmentId, lastSeq } of extents) {
      const known = refs.damage.get(segmentId)?.firstBadSeq;
      if (known !== undefined && known < BigInt(good) && known <= BigInt(lastSeq))
        refs.damage.remove(segmentId);
    }
    // A segment can have been collected meanwhile.
    if (bad === undefined || refs.segment.get(bad.segmentId) === undefined) return;
    refs.damage.put(bad.segmentId, create(SegmentDamageSchema, { firstBadSeq: BigInt(good) }));
  });
  return bad !== undefined;
}

async function isAsWritten(
  { segments, indexes }: Shelf,
  { segmentId }: Extent,
  seq: number,
  point: ChainPoint & { readonly digest: Buffer },
): Promise<boolean> {
  try {
    const index = await indexes.get(segmentId);
    const i = seq - index.firstSeq;
    if (i + 1 >= index.offsets.length) return false;
    const length = index.offsets[i + 1] - index.offsets[i];
    const { digest } = decodeFrame(await segments.read(segmentId, index.offsets[i], length));
    return digest.equals(index.digest(i)) && (seq < point.seq || digest.equals(point.digest));
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}
