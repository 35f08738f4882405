import { NeonError } from "../errors.js";

/** Follows a stream of messages that is sent in arbitrary pieces, and knows whether it stands between two of them. */
export class MessageBoundary {
  /** Bytes of the current message that are still to come, its header not counted. */
  #missing = 0;
  /** Bytes of a header that was cut by the end of a piece, and how many there are. */
  readonly #header = Buffer.alloc(5);
  #headerBytes = 0;

  /** Whether the stream stands inside a message. */
  get inside(): boolean {
    return this.#missing > 0 || this.#headerBytes > 0;
  }

  /** Takes note of the next piece. Throws XX000 for a length that no message can have. */
  pass(piece: Uint8Array): void {
    const view = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let offset = 0;
    while (offset < view.length) {
      const step = Math.min(this.#missing, view.length - offset);
      this.#missing -= step;
      offset += step;
      if (offset === view.length) return;
      const copied = view.copy(this.#header, this.#headerBytes, offset);
      this.#headerBytes += copied;
      offset += copied;
      if (this.#headerBytes < 5) return;
      const length = this.#header.readInt32BE(1);
      if (length < 4) throw new NeonError("internal_error", `bytes to send are no message: length ${length}`);
      this.#missing = length - 4;
      this.#headerBytes = 0;
    }
  }
}
