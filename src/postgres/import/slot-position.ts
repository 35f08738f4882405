import type { Lsn } from "../../lsn.js";

/** Between two moves of a slot: each begins the stream anew. A server forgets WAL at its checkpoints, minutes apart. */
const MOVE_INTERVAL_MS = 10_000;

/** How far a replication slot need keep WAL, and when it is worth telling the server. */
export class SlotPosition {
  readonly #segmentSize: bigint;
  #told: Lsn | undefined;
  #movedAt = Date.now();

  constructor(walSegmentSize: number) {
    this.#segmentSize = BigInt(walSegmentSize);
  }

  /**
   * Up to where the server may forget WAL when a branch's head is durable there. For a head at a segment's start it is one
   * byte less: the segment before it is what the next comparison needs.
   */
  until(head: Lsn): Lsn {
    return head % this.#segmentSize === 0n ? head - 1n : head;
  }

  /** Whether there is a segment more that the server could forget. */
  isBehind(head: Lsn): boolean {
    return this.#told === undefined || this.#segment(this.until(head)) > this.#segment(this.#told);
  }

  /** Whether it is time to move it. */
  isDue(head: Lsn): boolean {
    return Date.now() - this.#movedAt >= MOVE_INTERVAL_MS && this.isBehind(head);
  }

  /** Remembers what the server was told. */
  moved(until: Lsn): void {
    this.#told = until;
    this.#movedAt = Date.now();
  }

  #segment(lsn: Lsn): bigint {
    return lsn / this.#segmentSize;
  }
}
