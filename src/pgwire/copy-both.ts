import type { NeonError } from "../errors.js";

/** One CopyData message as it came in. */
export interface CopyMessage {
  /** The whole message: `d`, int32 length, data. Its reader owns it, up to `release`. */
  readonly message: Buffer;
  /** Its data: `message` without the first five bytes. */
  readonly data: Buffer;
  /** Gives the memory back for a later message, after which nobody may look at it. May be left out. */
  release(): void;
}

/** One end of a CopyBoth conversation; client and server see the same interface (manual: 55.2.6, START_REPLICATION). */
export interface CopyBoth {
  /** Bytes that have come from the other end, in messages that are whole and in others. */
  readonly bytesRead: number;
  /**
   * CopyData messages until the other end's CopyDone. One reader at a time; the socket rests while nobody asks.
   * Leaving the loop early keeps the stream: a later `read()` goes on with the next message.
   *
   * Throws what the other end says in CopyFail or ErrorResponse (the code from its SQLSTATE), and 08006 when the socket
   * ends before CopyDone.
   */
  read(): AsyncIterable<CopyMessage>;
  /**
   * Sends one CopyData. Resolves when the socket wants more. Large data is not copied: the caller does not change it
   * afterwards.
   */
  write(data: Uint8Array): Promise<void>;
  /**
   * Sends bytes that already are CopyData messages, without copying. Resolves once the kernel has them; the caller does
   * not change them before. A message may go on in the next call, but nothing else can be sent in between, and `fail`
   * then has to close the socket.
   */
  writeMessages(messages: Uint8Array): Promise<void>;
  /** Sends CopyDone, once. */
  done(): Promise<void>;
  /** Tells the other end that this one failed: CopyFail from a client, ErrorResponse from a server. Never throws. */
  fail(error: NeonError): Promise<void>;
}
