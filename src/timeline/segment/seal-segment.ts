import { create } from "@bufbuild/protobuf";
import { SegmentInfoSchema, SegmentState } from "../../../gen/neon/store/v1/store_pb.js";
import type { Place } from "../index/codec.js";
import type { Refs } from "../refs.js";
import type { SegmentFooterBuilder } from "./segment-footer.js";
import type { SegmentIndexes } from "./segment-indexes.js";
import type { SegmentStore } from "./segment-store.js";

/** What a segment lives in. */
export interface Shelf {
  readonly segments: SegmentStore;
  readonly refs: Refs;
  readonly indexes: SegmentIndexes;
}

/**
 * Cuts a segment that its session writes to no more behind the frames of `footer`, all durable, and gives it that footer.
 * Throws what the disk says; the segment is then of the same use, through its index, and the next opening tries again.
 */
export async function sealSegment(shelf: Shelf, id: string, footer: SegmentFooterBuilder): Promise<void> {
  const file = await shelf.segments.reopen(id, footer.length);
  try {
    await file.append([footer.toBytes()]);
    await file.sync();
  } finally {
    await file.close();
  }
  const info = { state: SegmentState.SEALED, durableLength: BigInt(footer.length) };
  await shelf.refs.transaction(() => shelf.refs.segment.put(id, create(SegmentInfoSchema, info)));
  shelf.indexes.sealed(id);
}

/** Deletes a segment of a timeline that holds nothing durable. */
export async function dropSegment(
  { segments, refs, indexes }: Shelf,
  id: string,
  extent: Place,
): Promise<void> {
  await segments.delete(id);
  await refs.transaction(() => {
    refs.segment.remove(id);
    refs.extent.remove(extent);
  });
  indexes.sealed(id);
}
