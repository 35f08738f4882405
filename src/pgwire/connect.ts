import { connect as dial, isIP, type Socket } from "node:net";
import { userInfo } from "node:os";
import pg from "pg";
import { type ErrorCode, NeonError, SQLSTATE } from "../errors.js";
import { sendCancelRequest } from "./cancel-request.js";
import { ClientConnection } from "./client-connection.js";
import { CONNECT_TIMEOUT_MS, type ConnectOptions } from "./connect-options.js";
import type { Connection } from "./connection.js";
import { requireFilePassword } from "./password-file.js";

export type { ConnectOptions } from "./connect-options.js";
export { connectSocket } from "./connect-socket.js";
export type {
  Connection,
  CopyBothSession,
  CopyOutEvent,
  Notice,
  QueryOptions,
  ResultSet,
} from "./connection.js";

/**
 * Connects to a Postgres or a page server. Throws 22023 for a URI that is none, 08001 if nobody answers there, and the
 * server's error if it refuses. No error's text holds the password.
 *
 * `pg` does the start: address, TLS, authentication. Then the socket is taken from it and read by
 * MessageReader, because pg-protocol reuses the memory that it hands out, knows no CopyBoth and has no back pressure.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  options.signal?.throwIfAborted();
  const uri = parseUri(options.uri);
  if (uri.mode !== "prefer") return start(options, uri.url);
  try {
    return await start(options, uri.url);
  } catch (error) {
    // libpq's "prefer": without TLS if the server has none.
    if (!(error instanceof NeonError) || !isTlsRefusal(error.cause)) throw error;
    uri.url.searchParams.set("sslmode", "disable");
    return start(options, uri.url);
  }
}

/** The parts of pg's Client that its types leave out. */
interface ClientInternals {
  readonly connection: {
    stream: Socket;
    on(event: string, listener: (message: ParameterStatus) => void): void;
  };
  readonly processID: number;
  readonly secretKey: number;
}

/** What pg makes of URI and environment before it connects. */
interface SettableParameters {
  readonly host: string;
  readonly port: number;
  readonly database: string | undefined;
  user: string;
  password: string | null | (() => Promise<string>);
  readonly connectionParameters: { user?: string };
}

type StartingClient = Omit<pg.Client, keyof ClientInternals> & ClientInternals;

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

function start(options: ConnectOptions, url: URL): Promise<Connection> {
  const client = createClient(options, url);
  const parameters = new Map<string, string>();
  client.connection.on("parameterStatus", (message) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      client.connection.stream.destroy();
      reject(error);
    };
    const abort = () => fail(signal?.reason);
    const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const timer = setTimeout(() => fail(noAnswer(client, timeoutMs)), timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    client.on("error", (error) => fail(refused(error, client)));
    client.connect((error: Error | null) => {
      if (error) return fail(refused(error, client));
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      // Called inside the socket's "data" event for ReadyForQuery: no byte can come between pg and its successor.
      const connection = takeOver(client, parameters);
      signal?.addEventListener("abort", () => connection.destroy(NeonError.from(signal.reason)), {
        once: true,
      });
      resolve(connection);
    });
  });
}

function createClient({ replication, applicationName }: ConnectOptions, url: URL): StartingClient {
  if (!url.searchParams.has("application_name"))
    url.searchParams.set("application_name", applicationName ?? "neon");
  if (replication === true) url.searchParams.set("replication", "true");
  try {
    const client = new pg.Client({ connectionString: url.href }) as unknown as StartingClient;
    // libpq's default is the name of the operating system's user, pg's is $USER, which services often lack.
    const parameters = client as unknown as SettableParameters;
    if (!parameters.user) parameters.user = parameters.connectionParameters.user = userInfo().username;
    const { host, port, database = parameters.user, user } = parameters;
    // Asked for only where the server asks, and after PGPASSWORD.
    if (!parameters.password) parameters.password = () => requireFilePassword({ host, port, database, user });
    return client;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new NeonError("invalid_parameter_value", `the connection URI cannot be used: ${text}`, {
      cause: error,
    });
  }
}

function takeOver(client: StartingClient, parameters: Map<string, string>): ClientConnection {
  const { stream: socket } = client.connection;
  socket.removeAllListeners("data");
  // pg's own listeners for the end of the socket stay; what they say is heard by nobody.
  client.removeAllListeners("error").on("error", () => {});
  socket.setKeepAlive(true, 60_000);
  const { host, port, processID, secretKey } = client;
  const address = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const cancel = () => sendCancelRequest(() => dial(address), processID, secretKey);
  return new ClientConnection({ socket, parameters, cancel });
}

/** Checks a connection URI, and brings its sslmode to libpq's meaning, which pg takes only when told to. */
function parseUri(uri: string): { url: URL; mode: string } {
  const bad = (why: string) =>
    new NeonError("invalid_parameter_value", `the connection URI cannot be used: ${why}`, {
      hint: "A connection URI is written as postgresql://user@host:5432/database.",
    });
  if (!/^postgres(ql)?:\/\//.test(uri)) throw bad("it does not begin with postgresql://");
  const url = parseWithOptionalHost(uri);
  if (url === undefined) throw bad("it is malformed");
  const host = url.searchParams.get("host") || decodeURIComponent(url.hostname);
  const mode =
    url.searchParams.get("sslmode") ?? process.env.PGSSLMODE ?? (isNear(host) ? "disable" : "prefer");
  if (!SSL_MODES.has(mode)) throw bad(`"${mode}" is no sslmode`);
  url.searchParams.set("sslmode", mode === "allow" ? "prefer" : mode);
  if (mode !== "no-verify") url.searchParams.set("uselibpqcompat", "true");
  return { url, mode: mode === "allow" ? "prefer" : mode };
}

const SSL_MODES = new Set(["disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify"]);

/** `postgresql://user@/db?host=/run` has a user and no host, which libpq takes and the URL standard does not. */
function parseWithOptionalHost(uri: string): URL | undefined {
  for (const candidate of [uri, uri.replace("@/", "@localhost/"), uri.replace(/:\/\/:/, "://localhost:")]) {
    if (URL.canParse(candidate)) return new URL(candidate);
  }
  return undefined;
}

/** On one machine TLS protects nothing and costs half of the speed. */
function isNear(host: string): boolean {
  return (
    host === "" ||
    host === "localhost" ||
    host.startsWith("/") ||
    host === "[::1]" ||
    (isIP(host) === 4 && host.startsWith("127."))
  );
}

function isTlsRefusal(cause: unknown): boolean {
  return cause instanceof Error && cause.message === "The server does not support SSL connections";
}

function noAnswer({ host, port }: StartingClient, timeoutMs: number): NeonError {
  const text = `no answer from ${host}:${port} within ${timeoutMs / 1000} s`;
  return new NeonError("sqlclient_unable_to_establish_sqlconnection", text, {
    party: "connection",
    retryable: true,
  });
}

/** The NeonError for what pg says about a connection that was not made. */
function refused(error: Error, { host, port }: StartingClient): NeonError {
  const { code, detail, hint } = error as { code?: string; detail?: string; hint?: string };
  if (error instanceof pg.DatabaseError && code !== undefined) {
    const known = Object.entries(SQLSTATE).find(([, sqlstate]) => sqlstate === code)?.[0] as
      | ErrorCode
      | undefined;
    return new NeonError(known ?? "sqlclient_unable_to_establish_sqlconnection", error.message, {
      sqlstate: code,
      party: "connection",
      retryable: code.startsWith("57P") || code.startsWith("53"),
      cause: error,
      ...(detail && { detail }),
      ...(hint && { hint }),
    });
  }
  if (error instanceof NeonError) return error;
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  const known = NeonError.from(first);
  return new NeonError(
    "sqlclient_unable_to_establish_sqlconnection",
    `cannot connect to ${host}:${port}: ${known.message}`,
    {
      party: "connection",
      retryable: known.retryable || known.code !== "internal_error",
      cause: error,
      ...(known.hint && { hint: known.hint }),
    },
  );
}
