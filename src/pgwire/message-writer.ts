import type { Socket } from "node:net";
import { NeonError } from "../errors.js";
import { MessageBoundary } from "./message-boundary.js";
import { connectionLost } from "./message-reader.js";

/** Below this a message's header and data are copied together; above, they go to the kernel as two pieces. */
const COPY_BELOW_BYTES = 4096;

/** Milliseconds that a message may wait for the other end to take it before the socket is closed under it. */
const FLUSH_DEADLINE_MS = 10_000;

/** The writing side of a socket. Messages go out whole and in the order of the calls. */
export class MessageWriter {
  readonly #socket: Socket;
  readonly #boundary = new MessageBoundary();
  #corked = false;
  #drained: Promise<void> | undefined;
  readonly #waiting = new Set<(error: NeonError) => void>();
  #failure: NeonError | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", (error) => {
      this.#failure ??= connectionLost(error);
    });
  }

  /** Whether bytes wait that the kernel has not taken. */
  get pending(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Whether the last `sendStream` ended inside a message, so that nothing else can be sent. */
  get midMessage(): boolean {
    return this.#boundary.inside;
  }

  /** Queues a whole message; messages of one tick leave together. The caller does not change it afterwards. */
  send(message: Buffer): void {
    this.#check();
    if (this.midMessage) throw new NeonError("internal_error", "a message cannot begin inside another one");
    this.#cork();
    this.#socket.write(message);
  }

  /** Queues a message with large data, without copying it. The caller does not change it afterwards. */
  sendData(type: number, data: Uint8Array): void {
    const copy = data.length < COPY_BELOW_BYTES;
    const head = Buffer.allocUnsafe(copy ? 5 + data.length : 5);
    head[0] = type;
    head.writeInt32BE(4 + data.length, 1);
    if (copy) head.set(data, 5);
    this.send(head);
    if (!copy) this.#socket.write(data);
  }

  /** Sends bytes that already are messages. Resolves once the kernel has them all; throws 08006 if it never will. */
  sendStream(messages: Uint8Array): Promise<void> {
    this.#check();
    this.#boundary.pass(messages);
    return this.#wait((settle) => this.#socket.write(messages, settle));
  }

  /** Resolves when the socket wants more. Throws 08006 if it is closed before that. */
  ready(): Promise<void> {
    this.#uncork();
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    this.#drained ??= this.#wait((settle) => {
      const done = () => {
        this.#socket.off("drain", done).off("close", done);
        this.#drained = undefined;
        settle(this.#socket.destroyed ? (this.#failure ?? connectionLost()) : undefined);
      };
      this.#socket.on("drain", done).on("close", done);
    });
    return this.#drained;
  }

  /** Makes everything that waits for the socket throw `error`. What is queued still leaves. */
  interrupt(error: NeonError): void {
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#drained = undefined;
  }

  /**
   * Resolves once everything queued is in the kernel, or the socket is closed: it is closed here if the other end takes
   * nothing for ten seconds. Never throws.
   */
  async flush(): Promise<void> {
    this.#uncork();
    if (!this.pending || this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), FLUSH_DEADLINE_MS);
      const settle = () => {
        clearTimeout(timer);
        this.#socket.off("drain", settle).off("close", settle);
        resolve();
      };
      this.#socket.on("close", settle);
      if (this.#socket.writableNeedDrain) this.#socket.on("drain", settle);
      else this.#socket.write("", settle);
    });
  }

  /** Closes the socket, whatever is queued. */
  destroy(): void {
    this.#socket.destroy();
  }

  #wait(begin: (settle: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      begin((error) => {
        this.#waiting.delete(reject);
        if (error) reject(error instanceof NeonError ? error : (this.#failure ?? connectionLost(error)));
        else resolve();
      });
    });
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#socket.destroyed || this.#socket.writableEnded) throw connectionLost();
  }

  /** Small messages of one turn of the event loop become one system call. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => this.#uncork());
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }
}
