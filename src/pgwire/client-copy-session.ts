import { NeonError } from "../errors.js";
import { buildMessage, cstring } from "./build-message.js";
import type { CopyBothSession, Notice, ResultSet } from "./connection.js";
import type { CopyMessage } from "./copy-both.js";
import { CopyStream } from "./copy-stream.js";
import { formatCopyFail, parseError, parseNotice } from "./error-fields.js";
import type { Message, MessageReader } from "./message-reader.js";
import { Backend, Frontend } from "./message-types.js";
import type { MessageWriter } from "./message-writer.js";

/** What a session needs of its connection. */
export interface CopySessionOwner {
  readonly opened: boolean;
  /** The result sets that came instead of CopyBoth. */
  readonly results: ResultSet[];
  /** Takes a message that has nothing to do with the copy. */
  other(message: Message): void;
  /** Takes a NoticeResponse. */
  readonly notice: ((notice: Notice) => void) | undefined;
  /** Takes what follows the copy, up to ReadyForQuery. */
  finish(): Promise<ResultSet[]>;
  /** Decides what a failure of the connection means. */
  settle(error: unknown): unknown;
}

/** A client's end of CopyBoth. */
export class ClientCopySession implements CopyBothSession {
  readonly opened: boolean;
  readonly #owner: CopySessionOwner;
  readonly #stream: CopyStream;
  #serverError: NeonError | undefined;
  #finished: Promise<ResultSet[]> | undefined;

  constructor(reader: MessageReader, writer: MessageWriter, owner: CopySessionOwner) {
    this.opened = owner.opened;
    this.#owner = owner;
    this.#stream = new CopyStream(reader, writer, {
      foreign: (message) => this.#foreign(message),
      failure: (error) => buildMessage(Frontend.CopyFail, cstring(formatCopyFail(error))),
    });
    if (!owner.opened) this.#finished = Promise.resolve(owner.results);
  }

  /** See CopyBoth. */
  get bytesRead(): number {
    return this.#stream.bytesRead;
  }

  /** See CopyBoth. */
  read(): AsyncIterable<CopyMessage> {
    return this.opened ? this.#stream.read() : nothing();
  }

  /** See CopyBoth. */
  write(data: Uint8Array): Promise<void> {
    return this.#stream.write(data);
  }

  /** See CopyBoth. */
  writeMessages(messages: Uint8Array): Promise<void> {
    return this.#stream.writeMessages(messages);
  }

  /** See CopyBoth. */
  async done(): Promise<void> {
    if (this.opened) await this.#stream.done();
  }

  /** See CopyBoth. */
  async fail(error: NeonError): Promise<void> {
    if (this.opened) await this.#stream.fail(error);
  }

  /** See CopyBothSession. */
  finish(): Promise<ResultSet[]> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async #finish(): Promise<ResultSet[]> {
    try {
      // After its ErrorResponse the server takes no CopyDone any more; ReadyForQuery comes without it.
      if (this.#serverError === undefined) {
        await this.#stream.done();
        await this.#stream.drop().catch((error) => {
          if (this.#serverError === undefined) throw error;
        });
      }
      const results = await this.#owner.finish();
      if (this.#serverError !== undefined) throw this.#serverError;
      return results;
    } catch (error) {
      throw this.#owner.settle(this.#serverError ?? error);
    }
  }

  #foreign(message: Message): void {
    if (message.type === Backend.ErrorResponse) {
      this.#serverError = parseError(message.body);
      throw this.#serverError;
    }
    if (message.type === Backend.CommandComplete) {
      // What a WAL sender says when its server shuts down: it ends the command without ending the copy.
      this.#serverError = new NeonError(
        "admin_shutdown",
        "the server ended the copy, as it does at its shutdown",
        {
          party: "connection",
          retryable: true,
        },
      );
      throw this.#serverError;
    }
    if (message.type === Backend.NoticeResponse) this.#owner.notice?.(parseNotice(message.body));
    else if (message.type !== Backend.NotificationResponse) this.#owner.other(message);
  }
}

async function* nothing(): AsyncGenerator<CopyMessage> {}
