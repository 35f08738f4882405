import type { Notice } from "./connection.js";
import type { CopyBoth } from "./copy-both.js";

/** One client, as a handler sees it. */
export interface ServerConnection {
  /** Where it comes from, for logs: `127.0.0.1:51234` or `unix socket`. */
  readonly remote: string;
  /** Whether it came through the unix socket. */
  readonly local: boolean;
  /** The parameters of its StartupMessage: user, database, application_name, replication, … */
  readonly startup: ReadonlyMap<string, string>;
  /** Aborts when the client is gone, with a NeonError as its reason. */
  readonly closed: AbortSignal;
}

/** What a server does with its clients' commands. */
export interface ServerHandler {
  /**
   * Answers one simple Query through `reply`. What it throws becomes an ErrorResponse; ReadyForQuery is sent by the
   * listener. `signal` aborts when the client cancels the command (57014), is gone (08006), or the listener is destroyed
   * (57P01).
   */
  query(sql: string, reply: Reply, connection: ServerConnection, signal: AbortSignal): Promise<void>;
}

/** The answer to one Query (manual: 55.2.3, Simple Query). */
export interface Reply {
  rowDescription(fields: readonly { name: string; dataTypeID: number }[]): void;
  /** Values in their text form. Resolves when the socket wants more. */
  dataRow(values: readonly (string | null)[]): Promise<void>;
  commandComplete(tag: string): void;
  emptyQuery(): void;
  notice(notice: Notice): void;
  /** Sends CopyBothResponse. Once in a command. A missing CopyDone is sent when the handler returns. */
  copyBoth(): CopyBoth;
}

/** The part of a pino logger that a listener uses. */
export interface ListenerLog {
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
}
