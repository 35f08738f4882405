import { readSegmentFooter, type SegmentIndex } from "./segment-footer.js";
import type { SegmentStore } from "./segment-store.js";

/** Footers kept in memory: each about 50 bytes a frame. */
const CACHED = 256;

/** The footers of sealed segments, read when they are first asked for. */
export class SegmentIndexes {
  readonly #segments: SegmentStore;
  readonly #cache = new Map<string, Promise<SegmentIndex>>();

  constructor(segments: SegmentStore) {
    this.#segments = segments;
  }

  /** The footer of a segment. Throws XX001 if it is damaged. */
  get(segmentId: string): Promise<SegmentIndex> {
    const cached = this.#cache.get(segmentId);
    this.#cache.delete(segmentId);
    const index = cached ?? readSegmentFooter(this.#segments, segmentId);
    this.#cache.set(segmentId, index);
    index.catch(() => this.#cache.delete(segmentId));
    if (this.#cache.size > CACHED) this.#cache.delete(this.#cache.keys().next().value as string);
    return index;
  }

  /** Forgets a segment that is gone. */
  delete(segmentId: string): void {
    this.#cache.delete(segmentId);
  }
}
