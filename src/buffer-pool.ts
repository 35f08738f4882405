/**
 * Shorter buffers are left to the garbage collector. A walsender's messages are, 32 to 128 KiB, which nobody gives back:
 * rounded up they made an import half as slow again (measured).
 */
const MIN_POOLED_BYTES = 192 * 1024;
/** Capacities are multiples of this, so that a buffer serves messages of about its length too. */
const GRAIN_BYTES = 128 * 1024;

/**
 * Memory for large buffers that come and go at the speed of a disk: taken again rather than allocated anew, since the
 * allocator, the kernel's clearing of fresh pages and the garbage collector cost as much as hashing their content.
 *
 * What is not given back is collected as any buffer is.
 */
export class BufferPool {
  readonly #free: ArrayBufferLike[] = [];
  readonly #limit: number;
  #freeBytes = 0;

  /** Keeps at most `limit` bytes that nobody uses. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A buffer of `length` bytes with any content, which the caller owns. */
  take(length: number): Buffer {
    if (length < MIN_POOLED_BYTES) return Buffer.allocUnsafe(length);
    const i = this.#free.findIndex(({ byteLength }) => byteLength >= length && byteLength / 4 <= length);
    if (i < 0)
      return Buffer.allocUnsafeSlow(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES).subarray(0, length);
    const [memory] = this.#free.splice(i, 1);
    this.#freeBytes -= memory.byteLength;
    return Buffer.from(memory, 0, length);
  }

  /** Gives a buffer of {@link take} back: neither it nor a view of it may be looked at afterwards. */
  give({ buffer, length }: Buffer): void {
    if (length < MIN_POOLED_BYTES || this.#freeBytes + buffer.byteLength > this.#limit) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
  }
}
