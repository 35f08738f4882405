import { isDamage } from "../is-damage.js";
import type { Refs } from "../refs.js";
import { scanSegment } from "./scan-segment.js";
import { readSegmentFooter, type SegmentIndex } from "./segment-footer.js";
import type { SegmentStore } from "./segment-store.js";

/** Footers kept in memory: each about 50 bytes a frame. */
const CACHED = 256;

/** Where frames lie: the footers of sealed segments, read when they are first asked for, and what stands for them. */
export class SegmentIndexes {
  readonly #segments: SegmentStore;
  readonly #refs: Refs;
  readonly #cache = new Map<string, Promise<SegmentIndex>>();
  readonly #unsealed = new Map<string, SegmentIndex>();

  constructor(segments: SegmentStore, refs: Refs) {
    this.#segments = segments;
    this.#refs = refs;
  }

  /**
   * The index of a segment. Where the footer is damaged or was never written it is made of the frames, up to the first
   * damaged one; throws XX001 if that is the first of all.
   */
  async get(segmentId: string): Promise<SegmentIndex> {
    const unsealed = this.#unsealed.get(segmentId);
    if (unsealed !== undefined) return unsealed;
    const cached = this.#cache.get(segmentId);
    this.#cache.delete(segmentId);
    const index = cached ?? this.#read(segmentId);
    this.#cache.set(segmentId, index);
    index.catch(() => this.#cache.delete(segmentId));
    if (this.#cache.size > CACHED) this.#cache.delete(this.#cache.keys().next().value as string);
    return index;
  }

  /** A segment has no footer yet: `index`, which may grow, stands for it until {@link sealed}. */
  unsealed(segmentId: string, index: SegmentIndex): void {
    this.#unsealed.set(segmentId, index);
  }

  /** A segment has its footer now, or is gone. */
  sealed(segmentId: string): void {
    this.#unsealed.delete(segmentId);
    this.#cache.delete(segmentId);
  }

  async #read(segmentId: string): Promise<SegmentIndex> {
    try {
      return await readSegmentFooter(this.#segments, segmentId);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const { durableLength = 0n } = this.#refs.segment.get(segmentId) ?? {};
      const found = await scanSegment(this.#segments, segmentId, Number(durableLength));
      if (found === undefined) throw error;
      return found;
    }
  }
}
