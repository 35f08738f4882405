/** Holds a stream of bytes back to a rate, counted from its first byte. */
export class Throttle {
  readonly #bytesPerSecond: number;
  readonly #signal: AbortSignal | undefined;
  #begun: number | undefined;
  #bytes = 0;

  /** Without a rate it holds nothing back. Aborting `signal` ends every wait. */
  constructor(bytesPerSecond: number | undefined, signal?: AbortSignal) {
    this.#bytesPerSecond = bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#signal = signal;
  }

  /** Resolves when `bytes` more may have passed. */
  async take(bytes: number): Promise<void> {
    this.#begun ??= performance.now();
    this.#bytes += bytes;
    const due = this.#begun + (this.#bytes / this.#bytesPerSecond) * 1000;
    const wait = due - performance.now();
    if (wait > 1) await pause(wait, this.#signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
