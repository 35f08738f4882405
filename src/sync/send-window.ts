import type { SessionProgress } from "./outcome.js";

/** Flow control of a sender: how many bytes of frames it is ahead of the acknowledgements. */
export class SendWindow {
  readonly #limit: number;
  readonly #totalBytes: number;
  readonly #onProgress: ((progress: SessionProgress) => void) | undefined;
  readonly #runs: { lastSeq: number; bytes: number }[] = [];
  #ahead = 0;
  #acknowledgedBytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  /** `limit` in bytes as the receiver's Hello gives it; one run always fits. */
  constructor(limit: number, totalBytes: number, onProgress?: (progress: SessionProgress) => void) {
    this.#limit = limit;
    this.#totalBytes = totalBytes;
    this.#onProgress = onProgress;
  }

  /** Resolves when more may be sent: true, or false after {@link close}. */
  async room(): Promise<boolean> {
    while (!this.#closed && this.#ahead > 0 && this.#ahead >= this.#limit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#closed;
  }

  /** Frames up to `lastSeq` are on their way. */
  sent(lastSeq: number, bytes: number): void {
    this.#runs.push({ lastSeq, bytes });
    this.#ahead += bytes;
  }

  /** Frames up to `seq` are durable at the receiver. */
  acknowledged(seq: bigint): void {
    while (this.#runs.length > 0 && BigInt(this.#runs[0].lastSeq) <= seq) {
      const { bytes } = this.#runs.shift() as { bytes: number };
      this.#ahead -= bytes;
      this.#acknowledgedBytes += bytes;
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
