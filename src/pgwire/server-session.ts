import type { Socket } from "node:net";
import { NeonError } from "../errors.js";
import { MAX_COMMAND_BYTES, MAX_SESSION_MESSAGE_BYTES } from "../limits.js";
import { BodyReader } from "./body-reader.js";
import { buildMessage, cstring } from "./build-message.js";
import type { CancelKeys } from "./cancel-keys.js";
import { errorResponse } from "./error-fields.js";
import { connectionLost, type Message, type MessageLimit, MessageReader } from "./message-reader.js";
import { Backend, describeType, Frontend, StartupCode } from "./message-types.js";
import { MessageWriter } from "./message-writer.js";
import { authenticate, type PasswordUsers } from "./scram/authenticate.js";
import type { ListenerLog, ServerConnection, ServerHandler } from "./server-handler.js";
import { ServerReply } from "./server-reply.js";
import { MAX_STARTUP_BYTES, readStartup, type Startup } from "./startup.js";

/** Milliseconds that a client has for its startup, unless the listener says otherwise. */
const STARTUP_TIMEOUT_MS = 30_000;

/** Milliseconds that a client has to take the last message before the socket is closed under it. */
const LINGER_MS = 2000;

/** ParameterStatus that every client gets; libpq clients decode text by them. */
const PARAMETERS = {
  server_encoding: "UTF8",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  integer_datetimes: "on",
  DateStyle: "ISO, MDY",
};

/** What a session has of its listener. */
export interface SessionOptions {
  readonly handler: ServerHandler;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly log?: ListenerLog | undefined;
  readonly users?: (() => Promise<PasswordUsers | undefined>) | undefined;
  readonly startupTimeoutMs?: number | undefined;
  readonly local: boolean;
  readonly cancelKeys: CancelKeys;
}

/** One client of a listener: startup, then one command after the other. */
export class ServerSession {
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  readonly #remote: string;
  readonly #gone = new AbortController();
  /** The command that runs, while one does. */
  #command: { readonly abort: AbortController; reply: ServerReply } | undefined;
  #started = false;
  /** Why the session ends after its command, if it does. */
  #draining: NeonError | undefined;
  #skippingToSync = false;

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#remote = options.local ? "unix socket" : `${socket.remoteAddress}:${socket.remotePort}`;
    this.#reader = new MessageReader(socket, () => MAX_STARTUP_BYTES);
    this.#writer = new MessageWriter(socket);
    const leave = () => this.#leave(connectionLost());
    socket.on("end", leave).on("close", leave);
  }

  /** Serves the client until it leaves or is sent away. Never throws; the socket is closed when it resolves. */
  async run(): Promise<void> {
    try {
      await this.#serve();
    } catch (thrown) {
      const error = NeonError.from(thrown);
      if (error.party !== "connection") {
        this.#options.log?.warn(
          { remote: this.#remote, code: error.sqlstate },
          `Session ended: ${error.message}`,
        );
        this.#sendFatal(error);
      }
    }
    await this.#hangUp();
  }

  /** Ends the session with 57P01: now if it is idle, otherwise after its command. */
  drain(): void {
    this.#drain(shutdown());
  }

  /** Ends the session with `reason`, and its command too. */
  fail(reason: NeonError): void {
    this.#drain(reason);
    this.#abortCommand(reason);
  }

  /** Aborts what runs and closes the socket. */
  destroy(): void {
    this.#leave(shutdown());
    this.#socket.destroy();
  }

  async #serve(): Promise<void> {
    const { startupTimeoutMs = STARTUP_TIMEOUT_MS } = this.#options;
    const deadline = setTimeout(() => this.#socket.destroy(), startupTimeoutMs);
    const startup = await this.#admit().finally(() => clearTimeout(deadline));
    if (startup === undefined) return;
    if (startup.kind === "cancel")
      return this.#options.cancelKeys.cancel(startup.processId, startup.secretKey);
    const { processId, secretKey } = this.#options.cancelKeys.assign(() => this.#cancel());
    try {
      this.#greet(processId, secretKey);
      this.#started = true;
      const connection: ServerConnection = {
        remote: this.#remote,
        local: this.#options.local,
        startup: startup.parameters,
        closed: this.#gone.signal,
      };
      await this.#serveCommands(connection);
    } finally {
      this.#options.cancelKeys.release(processId);
    }
  }

  /** Reads the startup, and has a client that comes over TCP authenticate. Undefined if it leaves. */
  async #admit(): Promise<Startup | undefined> {
    const startup = await readStartup(this.#reader, this.#socket);
    if (startup?.kind !== "session") return startup;
    if (startup.newer || startup.unknownOptions.length > 0) {
      const { unknownOptions: names } = startup;
      const parts = [StartupCode.Protocol3, names.length, ...names.map(cstring)];
      this.#writer.send(buildMessage(Backend.NegotiateProtocolVersion, ...parts));
    }
    const users = this.#options.local ? undefined : await this.#options.users?.();
    if (users === undefined) return startup;
    const user = startup.parameters.get("user") ?? "";
    return (await authenticate(this.#reader, this.#writer, user, users)) ? startup : undefined;
  }

  #greet(processId: number, secretKey: number): void {
    this.#writer.send(buildMessage(Backend.Authentication, 0));
    for (const [name, value] of Object.entries({ ...PARAMETERS, ...this.#options.parameters })) {
      this.#writer.send(buildMessage(Backend.ParameterStatus, cstring(name), cstring(value)));
    }
    this.#writer.send(buildMessage(Backend.BackendKeyData, processId, secretKey));
    this.#sendReady();
  }

  async #serveCommands(connection: ServerConnection): Promise<void> {
    for (;;) {
      if (this.#draining !== undefined) throw this.#draining;
      this.#reader.limit = idleLimit;
      const message = await this.#reader.next();
      if (message === undefined || message.type === Frontend.Terminate) return;
      if (message.type === Frontend.Query && !this.#skippingToSync) await this.#runQuery(message, connection);
      else this.#takeOther(message);
      await this.#writer.ready();
    }
  }

  async #runQuery({ body }: Message, connection: ServerConnection): Promise<void> {
    const sql = new BodyReader(body).cstring();
    const abort = new AbortController();
    const reply = new ServerReply(this.#reader, this.#writer, {
      openCopy: () => {
        this.#reader.limit = copyLimit;
      },
      leave: (reason) => this.#leave(reason),
    });
    this.#command = { abort, reply };
    try {
      if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
      await this.#options.handler.query(sql, reply, connection, abort.signal);
      await reply.finish();
    } catch (thrown) {
      const error = NeonError.from(thrown);
      // What failed in one place of a command may still wait for the copy in another, and would take the next command.
      this.#reader.interrupt(error);
      this.#sendFailure(error, reply);
    } finally {
      this.#command = undefined;
    }
    this.#sendReady();
  }

  /** Reports a command's failure, or throws it where nothing can follow it. */
  #sendFailure(error: NeonError, reply: ServerReply): void {
    // Nobody is left to be told.
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    // A message that was refused leaves its bytes in the way of every later one.
    if (this.#reader.broken) throw error;
    if (this.#writer.midMessage) throw connectionLost();
    if (reply.copy?.sent !== "failure") this.#writer.send(errorResponse(error, "ERROR"));
  }

  #takeOther({ type }: Message): void {
    switch (type) {
      case Frontend.Sync:
        this.#skippingToSync = false;
        this.#sendReady();
        return;
      case Frontend.Parse:
      case Frontend.Bind:
      case Frontend.Describe:
      case Frontend.Execute:
      case Frontend.Close:
        if (!this.#skippingToSync) this.#writer.send(errorResponse(onlySimpleQueries(), "ERROR"));
        this.#skippingToSync = true;
        return;
      case Frontend.FunctionCall:
        this.#writer.send(errorResponse(onlySimpleQueries(), "ERROR"));
        this.#sendReady();
        return;
      case Frontend.Flush:
      case Frontend.Query:
      // Left over from a copy that failed here: the client had not seen it yet (manual: 55.2.6).
      case Frontend.CopyData:
      case Frontend.CopyDone:
      case Frontend.CopyFail:
        return;
      default:
        throw new NeonError(
          "protocol_violation",
          `a message of type ${describeType(type)} was not expected`,
          {
            party: "protocol",
          },
        );
    }
  }

  #sendReady(): void {
    this.#writer.send(buildMessage(Backend.ReadyForQuery, Buffer.from("I")));
  }

  #sendFatal(error: NeonError): void {
    try {
      this.#writer.send(errorResponse(error, "FATAL"));
    } catch {
      // Closed already, or inside another message: then the end of the connection has to say it.
    }
  }

  #drain(reason: NeonError): void {
    this.#draining ??= reason;
    if (!this.#started) this.#socket.destroy();
    else if (this.#command === undefined) this.#reader.interrupt(this.#draining);
  }

  #cancel(): void {
    this.#abortCommand(new NeonError("query_canceled", "the command was cancelled by its client"));
  }

  #leave(reason: NeonError): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(reason);
    this.#abortCommand(reason);
  }

  #abortCommand(reason: NeonError): void {
    if (this.#command === undefined) return;
    const { abort, reply } = this.#command;
    abort.abort(reason);
    reply.copy?.interrupt(reason);
    this.#writer.interrupt(reason);
  }

  /** Closes the socket when the client has taken the last message, or has had its time. */
  async #hangUp(): Promise<void> {
    // A socket that is closed with unread bytes is reset, and the client may lose the error that it was sent.
    this.#reader.discard();
    if (this.#socket.destroyed) return;
    const closed = new Promise((resolve) => this.#socket.once("close", resolve));
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    if (this.#writer.midMessage) this.#socket.destroy();
    else this.#socket.end();
    await closed;
    clearTimeout(timer);
  }
}

/** Between commands, what is left of a failed copy passes by unread. */
const idleLimit: MessageLimit = (type) =>
  type === Frontend.CopyData ? { drop: MAX_SESSION_MESSAGE_BYTES } : MAX_COMMAND_BYTES;

const copyLimit: MessageLimit = (type) =>
  type === Frontend.CopyData ? MAX_SESSION_MESSAGE_BYTES : MAX_COMMAND_BYTES;

function onlySimpleQueries(): NeonError {
  return new NeonError("feature_not_supported", "prepared statements are not supported", {
    hint: "Send the command as a simple query, without parameters.",
  });
}

function shutdown(): NeonError {
  return new NeonError("admin_shutdown", "the page server is stopping", { retryable: true });
}
