/**
 * Finds the last frames that the sender's chain has in common with chains here. Frames form a hash chain: where one
 * digest is the same, every earlier one is. So each chain has one boundary, which is narrowed with 64 digests a round.
 */
import type { ChainReader } from "../timeline/chain-reader.js";
import { isDamage } from "../timeline/is-damage.js";
import type { Ask, Position } from "./party.js";

/** Digests that are asked for in one round. */
const POSITIONS_PER_ROUND = 64;

/** A chain here whose boundary with the sender's is looked for. */
export class Candidate {
  readonly reader: ChainReader;
  /** The last frame known to be common, as the sender named it. */
  common: Position | undefined;
  /** The first frame known not to be. */
  #high: number;

  /** `senderSeq` is the number of the sender's last frame. */
  constructor(reader: ChainReader, senderSeq: number) {
    this.reader = reader;
    this.#high = Math.min(senderSeq, reader.lastSeq) + 1;
  }

  /** The last frame that can still turn out to be common. */
  get highest(): number {
    return this.#high - 1;
  }

  /** Whether the boundary is known. */
  get settled(): boolean {
    return this.#low >= this.highest;
  }

  get #low(): number {
    return this.common?.seq ?? -1;
  }

  /** Takes what the sender says of its frames into account. */
  async narrow(positions: readonly Position[]): Promise<void> {
    for (const position of positions) {
      const { seq, digest } = position;
      if (seq <= this.#low || seq >= this.#high) continue;
      if ((await this.#digest(seq))?.equals(digest)) this.common = position;
      else this.#high = seq;
    }
  }

  /** Undefined where damage leaves nothing to compare. */
  async #digest(seq: number): Promise<Buffer | undefined> {
    try {
      return await this.reader.digest(seq);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Numbers between the bounds, `count` of them or fewer, evenly spread, the highest among them. */
  spread(count: number): number[] {
    const width = this.highest - this.#low;
    const parts = Math.min(count, width);
    return Array.from({ length: parts }, (_, i) => this.#low + Math.ceil((width * (i + 1)) / parts));
  }
}

/**
 * Settles `named` if it is there, and whichever of `others` could hold the most of the sender's frames. `named` decides only:
 * its frames can be damaged, and those that are held are among `others` too. `known` is the sender's locator.
 */
export async function locate(
  named: Candidate | undefined,
  others: readonly Candidate[],
  known: readonly Position[],
  ask: Ask,
): Promise<void> {
  const all = named === undefined ? others : [named, ...others];
  for (const candidate of all) await candidate.narrow(known);
  for (;;) {
    const best = Math.max(-1, ...others.map(({ common }) => common?.seq ?? -1));
    const open = all.filter(
      (candidate) => !candidate.settled && (candidate === named || candidate.highest > best),
    );
    if (open.length === 0) return;
    const asked = open.slice(0, POSITIONS_PER_ROUND);
    const share = Math.floor(POSITIONS_PER_ROUND / asked.length);
    const seqs = new Set(asked.flatMap((candidate) => candidate.spread(share)));
    const positions = await ask([...seqs].sort((a, b) => a - b));
    for (const candidate of all) await candidate.narrow(positions);
  }
}
