import type { Socket } from "node:net";
import { BufferPool } from "../buffer-pool.js";
import { NeonError } from "../errors.js";
import { collectYoungGarbage } from "../young-garbage.js";
import { describeType } from "./message-types.js";

/** One message of the libpq protocol. */
export interface Message {
  /** Its type byte; 0 for a message that has none (StartupMessage and its kin). */
  readonly type: number;
  /** All of it, type and length included. Its memory is its own: the reader does not touch it before `release`. */
  readonly buffer: Buffer;
  /** What follows type and length: a view of `buffer`. */
  readonly body: Buffer;
  /** Gives the memory back for a later message, after which nobody may look at it. May be left out. */
  release(): void;
}

/** The longest body in bytes that is taken of a type; `drop` lets the body pass by without keeping it. */
export type MessageLimit = (type: number) => number | { readonly drop: number };

/** Bytes that may wait for a reader that does not ask, before the socket is paused. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Bytes kept for messages to come: what a receiver that writes to a slow disk has under way. */
const POOL_BYTES = 32 * 1024 * 1024;

/** Bytes of chunks, each a buffer of the socket's own, between two collections. */
const COLLECT_BYTES = 8 * 1024 * 1024;

const HEADER_BYTES = 5;

/**
 * Cuts what comes out of a socket into messages.
 *
 * Bytes wait as the chunks that the socket delivered. A message's memory is allocated once, when its header is known and
 * within the limit, and its bytes are copied into it once, here and nowhere else: so no message aliases a buffer that
 * something else writes to, and none keeps more memory alive than its own. Messages are cut when they are asked for, so
 * the limit is the one of the moment. While nobody asks, at most READ_AHEAD_BYTES and one chunk wait.
 */
export class MessageReader {
  /** The limit for the messages that are cut from now on. */
  limit: MessageLimit;

  readonly #socket: Socket;
  readonly #pool = new BufferPool(POOL_BYTES);
  #bytesRead = 0;
  #chunks: Buffer[] = [];
  /** Index of the first chunk that is not used up, and where its unused bytes begin. */
  #first = 0;
  #offset = 0;
  #available = 0;
  #uncollected = 0;
  #paused = false;

  readonly #header = Buffer.allocUnsafe(HEADER_BYTES);
  /** The message being filled, and how far. */
  #message: Buffer | undefined;
  #filled = 0;
  #bodyOffset = HEADER_BYTES;
  /** Bytes of a dropped body that have not come yet. */
  #dropping = 0;

  #waiting: { untyped: boolean; resolve(m: Message | undefined): void; reject(e: unknown): void } | undefined;
  #ended = false;
  #failure: NeonError | undefined;
  /** Set once the bytes make no sense: what follows cannot be cut into messages any more. */
  #broken: NeonError | undefined;
  #discarding = false;

  /** Takes over the reading side of `socket`. */
  constructor(socket: Socket, limit: MessageLimit) {
    this.#socket = socket;
    this.limit = limit;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.#end(undefined));
    socket.on("error", (error) => this.#end(connectionLost(error)));
    socket.on("close", () => this.#end(undefined));
    if (socket.destroyed) this.#end(undefined);
  }

  /**
   * The next message; undefined where the stream ends between two. Throws 08006 where it ends inside a message, and
   * 08P01 for one that is longer than the limit or shorter than its own header: before any memory is allocated for it.
   */
  next(): Promise<Message | undefined> {
    return this.#ask(false);
  }

  /** As `next`, for a message without a type byte. */
  nextUntyped(): Promise<Message | undefined> {
    return this.#ask(true);
  }

  /** The next message if all of it is here; otherwise undefined, and `next` waits for it. Throws as `next` does. */
  nextNow(): Message | undefined {
    if (this.#waiting !== undefined)
      throw new NeonError("internal_error", "two readers wait for one message");
    const message = this.#cut(false);
    this.#resume();
    return message;
  }

  /** Bytes that have come, used up or not. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Whether a message was refused, after which no other can be read. */
  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** Makes the `next` that waits now, if there is one, throw `error`. No bytes are lost. */
  interrupt(error: NeonError): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  /** Throws away what has come and what comes until the socket closes. */
  discard(): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#first = this.#offset = this.#available = 0;
    this.#resume();
  }

  #ask(untyped: boolean): Promise<Message | undefined> {
    if (this.#waiting !== undefined)
      throw new NeonError("internal_error", "two readers wait for one message");
    return new Promise((resolve, reject) => {
      this.#waiting = { untyped, resolve, reject };
      this.#answer();
      this.#resume();
    });
  }

  #take(chunk: Buffer): void {
    this.#bytesRead += chunk.length;
    if (this.#discarding) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
    this.#uncollected += chunk.length;
    if (this.#uncollected >= COLLECT_BYTES) {
      this.#uncollected = 0;
      collectYoungGarbage();
    }
    if (this.#waiting !== undefined) this.#answer();
    if (this.#available >= READ_AHEAD_BYTES && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #resume(): void {
    if (this.#paused && this.#available < READ_AHEAD_BYTES) {
      this.#paused = false;
      this.#socket.resume();
    }
  }

  #end(failure: NeonError | undefined): void {
    this.#failure ??= failure;
    this.#ended = true;
    this.#answer();
  }

  /** Gives the waiting reader its message, if it is here. */
  #answer(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const message = this.#cut(waiting.untyped);
      if (message === undefined && !this.#ended) return;
      this.#waiting = undefined;
      if (message === undefined) this.#checkEnd();
      waiting.resolve(message);
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error);
    }
  }

  #checkEnd(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#available > 0 || this.#message !== undefined || this.#dropping > 0) {
      throw new NeonError("connection_failure", "the connection was closed in the middle of a message", {
        party: "connection",
        retryable: true,
      });
    }
  }

  #cut(untyped: boolean): Message | undefined {
    if (this.#broken !== undefined) throw this.#broken;
    for (;;) {
      if (this.#dropping > 0) {
        this.#dropping -= this.#skip(this.#dropping);
        if (this.#dropping > 0) return undefined;
      }
      if (this.#message === undefined && !this.#begin(untyped)) return undefined;
      const message = this.#message;
      if (message === undefined) continue;
      this.#filled += this.#copy(message, this.#filled);
      if (this.#filled < message.length) return undefined;
      this.#message = undefined;
      return {
        type: this.#bodyOffset === HEADER_BYTES ? (message[0] as number) : 0,
        buffer: message,
        body: message.subarray(this.#bodyOffset),
        release: () => this.#pool.give(message),
      };
    }
  }

  /** Reads a header and makes room for its message, or lets it be dropped. False if the header is not here yet. */
  #begin(untyped: boolean): boolean {
    const headerBytes = untyped ? HEADER_BYTES - 1 : HEADER_BYTES;
    if (this.#available < headerBytes) return false;
    const header = this.#header.subarray(0, headerBytes);
    this.#copy(header, 0);
    const type = untyped ? 0 : (header[0] as number);
    const length = header.readInt32BE(headerBytes - 4) - 4;
    if (length < 0) throw this.#refuse(type, `says that it is ${length + 4} bytes long`);
    const limit = this.limit(type);
    const most = typeof limit === "number" ? limit : limit.drop;
    if (length > most) throw this.#refuse(type, `is ${length} bytes long; at most ${most} are taken`);
    if (typeof limit === "number") {
      this.#message = this.#pool.take(headerBytes + length);
      this.#bodyOffset = headerBytes;
      header.copy(this.#message);
      this.#filled = headerBytes;
    } else {
      this.#dropping = length;
    }
    return true;
  }

  #refuse(type: number, problem: string): NeonError {
    const which =
      type === 0 ? "the first message of the connection" : `a message of type ${describeType(type)}`;
    this.#broken = new NeonError("protocol_violation", `${which} ${problem}`, { party: "protocol" });
    return this.#broken;
  }

  /** The one place where bytes are copied: from the socket's chunks to the end of `target`, as many as are here. */
  #copy(target: Buffer, start: number): number {
    let filled = start;
    while (filled < target.length && this.#available > 0) {
      const chunk = this.#chunks[this.#first] as Buffer;
      const copied = chunk.copy(target, filled, this.#offset);
      filled += copied;
      this.#advance(chunk, copied);
    }
    return filled - start;
  }

  #skip(bytes: number): number {
    let skipped = 0;
    while (skipped < bytes && this.#available > 0) {
      const chunk = this.#chunks[this.#first] as Buffer;
      const step = Math.min(bytes - skipped, chunk.length - this.#offset);
      skipped += step;
      this.#advance(chunk, step);
    }
    return skipped;
  }

  #advance(chunk: Buffer, bytes: number): void {
    this.#available -= bytes;
    this.#offset += bytes;
    if (this.#offset < chunk.length) return;
    this.#offset = 0;
    this.#first += 1;
    // Emptied all at once: shift() of a long array costs its length.
    if (this.#first === this.#chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    } else if (this.#first >= 1024) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** The error for a socket that failed, or that was destroyed here for a reason. */
export function connectionLost(cause?: Error): NeonError {
  if (cause instanceof NeonError) return cause;
  // What Node calls a write after the end says nothing of the reason.
  const vague = cause === undefined || (cause as NodeJS.ErrnoException).code?.startsWith("ERR_STREAM");
  const text = vague ? "the connection was closed by the other end" : NeonError.from(cause).message;
  return new NeonError("connection_failure", text, { party: "connection", retryable: true, cause });
}
