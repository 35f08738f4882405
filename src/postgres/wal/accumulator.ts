/** Gathers the bytes of a header that arrives in pieces. */
export class Accumulator {
  /** The bytes; valid up to as many as were taken. */
  readonly bytes: Buffer;
  /** The same bytes. */
  readonly view: DataView;
  #length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.alloc(capacity);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, capacity);
  }

  /** How many bytes were taken. */
  get length(): number {
    return this.#length;
  }

  /** Copies from `data[start, end)` what still fits below `capacity`, and says how many bytes those were. */
  take(data: Buffer, start: number, end: number, capacity: number): number {
    const taken = data.copy(this.bytes, this.#length, start, Math.min(end, start + capacity - this.#length));
    this.#length += taken;
    return taken;
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
  }
}
