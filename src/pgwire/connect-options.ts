import type { Notice } from "./connection.js";

/** What `connect` takes. */
export interface ConnectOptions {
  /** A libpq connection URI (manual: 34.1.1.2); one host, or the directory of a unix socket. */
  readonly uri: string;
  /** Asks for the replication protocol (manual: 55.4): START_REPLICATION, BASE_BACKUP. */
  readonly replication?: boolean | undefined;
  /** application_name, if the URI has none; `neon` unless given. */
  readonly applicationName?: string | undefined;
  /** Milliseconds until a server that does not answer is given up; 15 s unless given. */
  readonly connectTimeoutMs?: number | undefined;
  /** Gives up connecting, and later destroys the connection. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each NoticeResponse, whatever runs, unless a query has a function of its own for them. */
  onNotice?(notice: Notice): void;
}

/** Milliseconds until a server that does not answer is given up. */
export const CONNECT_TIMEOUT_MS = 15_000;
