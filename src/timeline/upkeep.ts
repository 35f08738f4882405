import { create } from "@bufbuild/protobuf";
import { SegmentInfoSchema, SegmentState } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { SerialQueue } from "../serial-queue.js";
import { type Branch, pointOf } from "./branch.js";
import { type ChainPoint, resolveChain } from "./chain.js";
import { findContradictions } from "./contradictions.js";
import { recordDamage } from "./damage.js";
import { collectGarbage, type Freed } from "./garbage.js";
import { isDamage } from "./is-damage.js";
import { mergeSegments } from "./segment/merge-segments.js";
import { scanSegment } from "./segment/scan-segment.js";
import { type Shelf, sealSegment } from "./segment/seal-segment.js";
import { readSegmentFooter } from "./segment/segment-footer.js";

/** What changes segments that are sealed already: one piece of work at a time. */
export class Upkeep {
  readonly #shelf: Shelf;
  readonly #onFailed: (error: NeonError) => void;
  readonly #queue = new SerialQueue();

  /** `onFailed` is told what nobody waits for. */
  constructor(shelf: Shelf, onFailed: (error: NeonError) => void = () => {}) {
    this.#shelf = shelf;
    this.#onFailed = onFailed;
  }

  /** Resolves when what has been begun has ended. */
  settle(): Promise<void> {
    return this.#queue.run(async () => {});
  }

  /** See {@link collectGarbage}. */
  collectGarbage(
    pinned: () => Iterable<ChainPoint>,
    isExpired: (deadline: bigint) => boolean,
    noBranches: boolean,
  ): Promise<Freed> {
    return this.#queue.run(() => collectGarbage(this.#shelf, pinned, isExpired, noBranches));
  }

  /**
   * Takes down that the first `good` frames of a branch are as they were written, and the next one, if it has one, could
   * not be used. Returns whether that is damaged here: sent again, it replaces what is here.
   */
  recordDamage(branch: Branch, good: number): Promise<boolean> {
    const point = { ...pointOf(branch), digest: branch.head.digest };
    return this.#queue.run(() => recordDamage(this.#shelf, point, good));
  }

  /** See {@link findContradictions}. */
  findContradictions(): Promise<string[]> {
    return this.#queue.run(() => findContradictions(this.#shelf));
  }

  /** Merges short segments of a timeline later. A failure leaves them as they were. */
  mergeSegments(timelineId: string): void {
    const { refs, segments } = this.#shelf;
    this.#queue
      .run(() => mergeSegments(refs, segments, timelineId))
      .catch((error: unknown) => this.#onFailed(NeonError.from(error)));
  }

  /** Makes the damaged footers of a branch's segments again of the frames, where all these are good. Returns how many. */
  rebuildFooters(branch: Branch): Promise<number> {
    return this.#queue.run(async () => {
      let rebuilt = 0;
      for (const { segmentId } of resolveChain(this.#shelf.refs, pointOf(branch))) {
        if (await this.#rebuildFooter(segmentId)) rebuilt++;
      }
      return rebuilt;
    });
  }

  async #rebuildFooter(id: string): Promise<boolean> {
    const { refs, segments, indexes } = this.#shelf;
    const info = refs.segment.get(id);
    if (info?.state !== SegmentState.SEALED) return false;
    try {
      await readSegmentFooter(segments, id);
      return false;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const { durableLength } = info;
    const footer = await scanSegment(segments, id, Number(durableLength));
    if (footer?.length !== Number(durableLength)) return false;
    const open = create(SegmentInfoSchema, { state: SegmentState.OPEN, durableLength });
    await refs.transaction(() => refs.segment.put(id, open));
    indexes.unsealed(id, footer);
    await sealSegment(this.#shelf, id, footer);
    return true;
  }
}
