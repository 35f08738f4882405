import { NeonError } from "../errors.js";
import { buildMessage } from "./build-message.js";
import type { CopyBoth, CopyMessage } from "./copy-both.js";
import { connectionLost, type Message, type MessageReader } from "./message-reader.js";
import { Frontend } from "./message-types.js";
import type { MessageWriter } from "./message-writer.js";

/** What differs between the two ends of a CopyBoth. */
export interface CopyEnd {
  /** Takes a message that is neither CopyData nor CopyDone: returns to ignore it, or throws what ends the stream. */
  foreign(message: Message): void;
  /** The message that tells the other end of a failure. */
  failure(error: NeonError): Buffer;
}

/** CopyData, CopyDone have the same type bytes in both directions. */
const { CopyData, CopyDone } = Frontend;

const END = { done: true, value: undefined } as const;

/** One end of a CopyBoth conversation. */
export class CopyStream implements CopyBoth {
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  readonly #end: CopyEnd;
  #sent: "data" | "done" | "failure" = "data";
  #received: "data" | "done" | "failure" = "data";
  #failure: NeonError | undefined;

  constructor(reader: MessageReader, writer: MessageWriter, end: CopyEnd) {
    this.#reader = reader;
    this.#writer = writer;
    this.#end = end;
  }

  /** What this end has sent last: data, CopyDone, or word of a failure. */
  get sent(): "data" | "done" | "failure" {
    return this.#sent;
  }

  /** What has come from the other end last: data, CopyDone, or word of a failure. */
  get received(): "data" | "done" | "failure" {
    return this.#received;
  }

  /** See CopyBoth. */
  get bytesRead(): number {
    return this.#reader.bytesRead;
  }

  /** See CopyBoth. */
  read(): AsyncIterable<CopyMessage> {
    // Not an async generator: this costs one promise a message, and none of it waits when the message is here already.
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
  }

  /** See CopyBoth. */
  async write(data: Uint8Array): Promise<void> {
    this.#checkOpen();
    this.#writer.sendData(CopyData, data);
    return this.#writer.ready();
  }

  /** See CopyBoth. */
  async writeMessages(messages: Uint8Array): Promise<void> {
    this.#checkOpen();
    return this.#writer.sendStream(messages);
  }

  /** See CopyBoth. */
  async done(): Promise<void> {
    if (this.#sent !== "data") return;
    if (this.#failure !== undefined) throw this.#failure;
    this.#writer.send(buildMessage(CopyDone));
    this.#sent = "done";
    return this.#writer.ready();
  }

  /** See CopyBoth. */
  async fail(error: NeonError): Promise<void> {
    if (this.#sent === "failure") return;
    this.#sent = "failure";
    if (this.#writer.midMessage) return this.#writer.destroy();
    try {
      this.#writer.send(this.#end.failure(error));
    } catch {
      return; // The connection is gone: nobody is left to be told.
    }
    return this.#writer.flush();
  }

  /** Makes what waits, and every later read and write, throw `error`. */
  interrupt(error: NeonError): void {
    this.#failure ??= error;
    this.#reader.interrupt(error);
    this.#writer.interrupt(error);
  }

  /** Drops CopyData up to the other end's CopyDone. Throws as `read` does. */
  async drop(): Promise<void> {
    while (!(await this.#next()).done);
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#sent !== "data")
      throw new NeonError("internal_error", "CopyData cannot follow the end of the copy");
  }

  #next(): Promise<IteratorResult<CopyMessage, undefined>> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#received === "done") return Promise.resolve(END);
      for (let message = this.#reader.nextNow(); message !== undefined; message = this.#reader.nextNow()) {
        const result = this.#judge(message);
        if (result !== undefined) return Promise.resolve(result);
      }
      return this.#wait();
    } catch (error) {
      return Promise.reject(this.#fail(error));
    }
  }

  async #wait(): Promise<IteratorResult<CopyMessage, undefined>> {
    try {
      for (;;) {
        const message = await this.#reader.next();
        if (message === undefined) throw connectionLost();
        const result = this.#judge(message);
        if (result !== undefined) return result;
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #judge(message: Message): IteratorResult<CopyMessage, undefined> | undefined {
    if (message.type === CopyData) {
      const { buffer, body, release } = message;
      return { done: false, value: { message: buffer, data: body, release } };
    }
    if (message.type === CopyDone) {
      this.#received = "done";
      return END;
    }
    this.#end.foreign(message);
    return undefined;
  }

  #fail(error: unknown): unknown {
    if (this.#failure === undefined) {
      this.#failure = NeonError.from(error);
      this.#received = "failure";
    }
    return this.#failure;
  }
}
