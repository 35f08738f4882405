import { NeonError } from "../errors.js";
import type { SessionProgress } from "./outcome.js";

/** Flow control of a sender: how many bytes of frames it is ahead of the acknowledgements. */
export class SendWindow {
  readonly #limit: number;
  readonly #totalBytes: number;
  readonly #onProgress: ((progress: SessionProgress) => void) | undefined;
  /** Lengths of the frames that are not acknowledged, oldest first; those before #first are. */
  #lengths: number[] = [];
  #first = 0;
  /** Number of the next frame to send. */
  #nextSeq: number;
  #ahead = 0;
  #acknowledgedBytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  /** `limit` in bytes as the receiver's Hello gives it. */
  constructor(
    limit: number,
    firstSeq: number,
    totalBytes: number,
    onProgress?: (progress: SessionProgress) => void,
  ) {
    this.#limit = limit;
    this.#nextSeq = firstSeq;
    this.#totalBytes = totalBytes;
    this.#onProgress = onProgress;
  }

  /** Whether a frame may be sent now. One frame may always be on its way, or a frame longer than the window never could. */
  fits(bytes: number): boolean {
    return this.#ahead === 0 || this.#ahead + bytes <= this.#limit;
  }

  /** Resolves when a frame may be sent: true, or false after {@link close}. */
  async room(bytes: number): Promise<boolean> {
    while (!this.#closed && !this.fits(bytes)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#closed;
  }

  /** The next frame is on its way. */
  sent(bytes: number): void {
    this.#lengths.push(bytes);
    this.#ahead += bytes;
    this.#nextSeq++;
  }

  /** Frames up to `seq` are durable at the receiver. Throws 08P01 if that one has not been sent. */
  acknowledged(seq: bigint): void {
    if (seq >= BigInt(this.#nextSeq)) {
      throw new NeonError(
        "protocol_violation",
        `the receiver acknowledged frame ${seq}, which was not sent`,
        {
          party: "protocol",
        },
      );
    }
    const left = this.#nextSeq - 1 - Number(seq);
    for (; this.#lengths.length - this.#first > left; this.#first++) {
      const bytes = this.#lengths[this.#first];
      this.#ahead -= bytes;
      this.#acknowledgedBytes += bytes;
    }
    if (this.#first > this.#lengths.length / 2) {
      this.#lengths = this.#lengths.slice(this.#first);
      this.#first = 0;
    }
    this.#onProgress?.({ bytes: this.#acknowledgedBytes, totalBytes: this.#totalBytes });
    this.#wake?.();
  }

  /** Nothing will be acknowledged any more. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
