import type { Socket } from "node:net";
import { NeonError } from "../errors.js";
import { MAX_SESSION_MESSAGE_BYTES } from "../limits.js";
import { BodyReader } from "./body-reader.js";
import { buildMessage, cstring } from "./build-message.js";
import { ClientCopySession } from "./client-copy-session.js";
import type {
  Connection,
  CopyBothSession,
  CopyOutEvent,
  Notice,
  QueryOptions,
  ResultSet,
} from "./connection.js";
import { connectionLost, type Message, MessageReader } from "./message-reader.js";
import { Backend, describeType, Frontend } from "./message-types.js";
import { MessageWriter } from "./message-writer.js";
import { ResultCollector } from "./result-collector.js";

/** Milliseconds that `close` waits for the server before it closes the socket itself. */
const CLOSE_DEADLINE_MS = 5000;

/** What the start of a connection leaves behind. */
export interface StartedSocket {
  /** After ReadyForQuery, with nothing unread. */
  readonly socket: Socket;
  readonly parameters: Map<string, string>;
  /** Asks the server to cancel what runs on this connection; failures are of no interest. */
  cancel(): void;
  /** Called for each NoticeResponse from now on. */
  onNotice?(notice: Notice): void;
}

/** A client's end of a connection that is ready for queries. */
export class ClientConnection implements Connection {
  readonly parameters: Map<string, string>;
  readonly #socket: Socket;
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  readonly #cancel: () => void;
  readonly #onNotice: ((notice: Notice) => void) | undefined;
  #busy = false;
  #destroyed: NeonError | undefined;

  constructor({ socket, parameters, cancel, onNotice }: StartedSocket, reader?: MessageReader) {
    this.#socket = socket;
    this.parameters = parameters;
    this.#cancel = cancel;
    this.#onNotice = onNotice;
    this.#reader = reader ?? new MessageReader(socket, () => MAX_SESSION_MESSAGE_BYTES);
    this.#writer = new MessageWriter(socket);
  }

  /** See Connection. */
  async query(sql: string, options: QueryOptions = {}): Promise<ResultSet[]> {
    options.signal?.throwIfAborted();
    this.#begin(sql);
    const cancel = () => this.#cancel();
    options.signal?.addEventListener("abort", cancel, { once: true });
    try {
      const collector = new ResultCollector({ onNotice: this.#onNotice, ...options });
      await this.#collect(collector);
      return this.#end(collector);
    } catch (error) {
      throw this.#settle(error);
    } finally {
      options.signal?.removeEventListener("abort", cancel);
    }
  }

  /** See Connection. */
  async *copyOut(sql: string): AsyncGenerator<CopyOutEvent, void> {
    this.#begin(sql);
    let finished = false;
    try {
      const collector = new ResultCollector({ onNotice: this.#onNotice });
      for (;;) {
        const message = this.#reader.nextNow() ?? (await this.#next(collector));
        if (message.type === Backend.CopyData) {
          yield { type: "data", data: message.body };
        } else if (collector.take(message)) {
          const result = collector.results.pop();
          if (result !== undefined && result.fields.length > 0) yield { type: "rows", result };
        } else if (message.type === Backend.CopyOutResponse) {
          yield { type: "copyBegin" };
        } else if (message.type === Backend.CopyDone) {
          yield { type: "copyEnd" };
        } else if (message.type === Backend.ReadyForQuery) {
          finished = true;
          this.#end(collector);
          return;
        } else {
          this.#other(message);
        }
      }
    } catch (error) {
      throw this.#settle(error);
    } finally {
      // The rest of a copy that nobody wants can be gigabytes.
      if (!finished) this.destroy();
    }
  }

  /** See Connection. */
  async copyBoth(sql: string, early: readonly Buffer[] = []): Promise<CopyBothSession> {
    this.#begin(sql, early);
    try {
      const collector = new ResultCollector({ onNotice: this.#onNotice });
      const switched = await this.#collect(collector, Backend.CopyBothResponse);
      if (!switched) this.#end(collector);
      return new ClientCopySession(this.#reader, this.#writer, {
        opened: switched,
        results: collector.results,
        other: (message) => this.#other(message),
        notice: this.#onNotice,
        finish: async () => {
          const rest = new ResultCollector({ onNotice: this.#onNotice });
          await this.#collect(rest);
          return this.#end(rest);
        },
        settle: (error) => this.#settle(error),
      });
    } catch (error) {
      throw this.#settle(error);
    }
  }

  /** See Connection. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#reader.discard();
    const closed = new Promise((resolve) => this.#socket.once("close", resolve));
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_DEADLINE_MS);
    this.#socket.end(buildMessage(Frontend.Terminate));
    await closed;
    clearTimeout(timer);
  }

  /** See Connection. */
  destroy(reason?: NeonError): void {
    this.#destroyed ??=
      reason ?? new NeonError("connection_failure", "the connection was closed", { party: "caller" });
    this.#socket.destroy(this.#destroyed);
  }

  #begin(sql: string, early: readonly Buffer[] = []): void {
    if (this.#destroyed !== undefined) throw connectionLost(this.#destroyed);
    if (this.#busy) throw new NeonError("object_in_use", "the connection is running another command");
    this.#busy = true;
    try {
      const data = early.map((part) => buildMessage(Frontend.CopyData, part));
      this.#writer.send(Buffer.concat([buildMessage(Frontend.Query, cstring(sql)), ...data]));
    } catch {
      // The server closed the connection. What it said before that is still to be read, and is the better error.
    }
  }

  /** Takes messages up to ReadyForQuery, or up to `until`: then it returns true. */
  async #collect(collector: ResultCollector, until?: number): Promise<boolean> {
    for (;;) {
      const message = this.#reader.nextNow() ?? (await this.#next(collector));
      if (message.type === until) return true;
      if (message.type === Backend.ReadyForQuery) return false;
      if (!collector.take(message)) this.#other(message);
    }
  }

  async #next(collector: ResultCollector): Promise<Message> {
    const message = await this.#reader.next();
    if (message !== undefined) return message;
    // A FATAL error is followed by the end of the connection.
    throw collector.error ?? connectionLost();
  }

  #other({ type, body }: Message): void {
    if (type === Backend.ParameterStatus) {
      const reader = new BodyReader(body);
      this.parameters.set(reader.cstring(), reader.cstring());
      return;
    }
    throw new NeonError(
      "protocol_violation",
      `the server sent an unexpected message of type ${describeType(type)}`,
      {
        party: "protocol",
      },
    );
  }

  /** After ReadyForQuery. */
  #end(collector: ResultCollector): ResultSet[] {
    this.#busy = false;
    if (collector.error !== undefined) throw collector.error;
    return collector.results;
  }

  /** Decides after a failure whether the connection can go on, and which error is the cause. */
  #settle(error: unknown): unknown {
    // Still busy: ReadyForQuery has not come, and what comes next is anybody's guess.
    if (this.#busy) {
      const reason = this.#destroyed;
      this.destroy(NeonError.from(error));
      return reason ?? error;
    }
    return error;
  }
}
