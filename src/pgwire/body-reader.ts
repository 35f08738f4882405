import { NeonError } from "../errors.js";

/** Reads the fields of a message's body in order. Every method throws 08P01 where the body is too short. */
export class BodyReader {
  readonly #body: Buffer;
  #offset = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#body.length - this.#offset;
  }

  byte(): number {
    return this.#body[this.#advance(1)] as number;
  }

  int16(): number {
    return this.#body.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#body.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.#body.readUInt32BE(this.#advance(4));
  }

  /** A view of the next bytes. */
  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#body.subarray(start, start + length);
  }

  /** A text that ends with a NUL. */
  cstring(): string {
    const end = this.#body.indexOf(0, this.#offset);
    if (end === -1) throw malformed();
    const text = this.#body.toString("utf8", this.#offset, end);
    this.#offset = end + 1;
    return text;
  }

  #advance(length: number): number {
    const start = this.#offset;
    if (length < 0 || length > this.left) throw malformed();
    this.#offset += length;
    return start;
  }
}

function malformed(): NeonError {
  return new NeonError("protocol_violation", "a message is shorter than its fields", { party: "protocol" });
}
