import { isAscii } from "node:buffer";
import { connect as dial, type Socket } from "node:net";
import pg from "pg";
import { cleanText } from "../clean-text.js";
import { type ErrorCode, NeonError, SQLSTATE } from "../errors.js";
import { sendCancelRequest } from "./cancel-request.js";
import { ClientConnection } from "./client-connection.js";
import { CONNECT_TIMEOUT_MS, type ConnectOptions } from "./connect-options.js";
import type { Connection, Notice } from "./connection.js";
import { type ConnectionUri, parseUri } from "./connection-uri.js";
import { cleanNotice } from "./error-fields.js";
import { osUserName } from "./os-user.js";
import { requireFilePassword } from "./password-file.js";
import { proveClient } from "./scram/client-proof.js";

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
  if (uri.sslmode !== "prefer") return start(options, uri);
  try {
    return await start(options, uri);
  } catch (error) {
    // libpq's "prefer": without TLS if the server has none.
    if (!(error instanceof NeonError) || !isTlsRefusal(error.cause)) throw error;
    uri.url.searchParams.set("sslmode", "disable");
    return start(options, uri);
  }
}

/**
 * Who holds a slot, or waits for a checkpoint, is idle for long, and a base backup tells of what it skips by warnings only.
 * From 14 on everybody may set these; what the user sets comes later and wins.
 */
const REPLICATION_OPTIONS = "-c idle_session_timeout=0 -c client_min_messages=warning";

/** The parts of pg's Client that its types leave out. */
interface ClientInternals {
  readonly connection: {
    stream: Socket;
    on(event: "parameterStatus", listener: (message: ParameterStatus) => void): void;
    on(event: "notice", listener: (message: Notice) => void): void;
    on(event: "authenticationSASLContinue", listener: (message: { data: string }) => void): void;
    sendSCRAMClientFinalMessage(response: string): void;
  };
  readonly saslSession: { readonly clientNonce: string; serverSignature: string };
  readonly processID: number;
  readonly secretKey: number;
}

/** What pg makes of URI and environment before it connects. */
interface SettableParameters {
  readonly host: string;
  readonly port: number;
  database: string | undefined;
  user: string;
  password: string | null | (() => Promise<string>);
  readonly connectionParameters: { user?: string; database?: string };
}

type StartingClient = Omit<pg.Client, keyof ClientInternals> & ClientInternals;

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

function start(options: ConnectOptions, uri: ConnectionUri): Promise<Connection> {
  const client = createClient(options, uri);
  const parameters = new Map<string, string>();
  client.connection.on("parameterStatus", (message) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  prepareAsPostgres(client);
  const { signal, onNotice } = options;
  if (onNotice !== undefined) {
    client.connection.on("notice", ({ severity, code, message, detail, hint }) => {
      onNotice(cleanNotice({ severity, code, message, detail, hint }));
    });
  }
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      client.connection.stream.destroy();
      reject(error);
    };
    const abort = () => fail(signal?.reason);
    const timeoutMs = uri.connectTimeoutMs ?? options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const timer =
      timeoutMs === 0 ? undefined : setTimeout(() => fail(noAnswer(client, timeoutMs)), timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    client.on("error", (error) => fail(refused(error, client)));
    client.connect((error: Error | null) => {
      if (error) return fail(refused(error, client));
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      // Called inside the socket's "data" event for ReadyForQuery: no byte can come between pg and its successor.
      const connection = takeOver(client, parameters, uri.keepAliveMs, onNotice);
      signal?.addEventListener("abort", () => connection.destroy(NeonError.from(signal.reason)), {
        once: true,
      });
      resolve(connection);
    });
  });
}

function createClient(
  { replication, applicationName }: ConnectOptions,
  { url, database: named }: ConnectionUri,
): StartingClient {
  if (!url.searchParams.has("application_name") && !url.searchParams.has("fallback_application_name"))
    url.searchParams.set("application_name", applicationName ?? "neon");
  if (replication === true) {
    url.searchParams.set("replication", "true");
    const options = url.searchParams.get("options") ?? process.env.PGOPTIONS ?? "";
    url.searchParams.set("options", `${REPLICATION_OPTIONS} ${options}`.trim());
  }
  try {
    const client = new pg.Client({ connectionString: url.href }) as unknown as StartingClient;
    // libpq's default is the name of the operating system's user, pg's is $USER, which services often lack.
    const parameters = client as unknown as SettableParameters;
    if (!parameters.user) parameters.user = parameters.connectionParameters.user = osUserName();
    if (named) parameters.database = parameters.connectionParameters.database = named;
    const { host, port, database = parameters.user, user } = parameters;
    // As pg_basebackup does, for want of a name; who thinks of libpq's default writes that.
    const databases =
      replication === true && !hasDatabase(url, named) ? ["replication", database] : [database];
    // Asked for only where the server asks, and after PGPASSWORD.
    if (!parameters.password)
      parameters.password = () => requireFilePassword({ host, port, databases, user });
    return client;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new NeonError("invalid_parameter_value", `the connection URI cannot be used: ${text}`, {
      cause: error,
    });
  }
}

function hasDatabase({ pathname }: URL, named: string | undefined): boolean {
  return Boolean(named) || pathname.length > 1;
}

/**
 * Has passwords prepared as Postgres and libpq do: pg maps and normalizes every one, they leave one as it is that SASLprep
 * prohibits (RFC 4013; manual: pg_authid). ASCII is the same either way.
 */
function prepareAsPostgres(client: StartingClient): void {
  const { connection } = client;
  let serverFirst = "";
  connection.on("authenticationSASLContinue", ({ data }) => {
    serverFirst = data;
  });
  const send = connection.sendSCRAMClientFinalMessage.bind(connection);
  connection.sendSCRAMClientFinalMessage = (response) => {
    const { saslSession: session } = client;
    const password = client.password ?? "";
    if (isAscii(Buffer.from(password))) return send(response);
    const withoutProof = response.slice(0, response.lastIndexOf(",p="));
    const proved = proveClient(password, { clientNonce: session.clientNonce, serverFirst, withoutProof });
    session.serverSignature = proved.serverSignature;
    send(proved.response);
  };
}

function takeOver(
  client: StartingClient,
  parameters: Map<string, string>,
  keepAliveMs: number | undefined,
  onNotice: ConnectOptions["onNotice"],
): ClientConnection {
  const { stream: socket } = client.connection;
  socket.removeAllListeners("data");
  // pg's own listeners for the end of the socket stay; what they say is heard by nobody.
  client.removeAllListeners("error").on("error", () => {});
  socket.setKeepAlive(keepAliveMs !== undefined, keepAliveMs);
  const { host, port, processID, secretKey } = client;
  const address = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const cancel = () => sendCancelRequest(() => dial(address), processID, secretKey);
  return new ClientConnection({ socket, parameters, cancel, ...(onNotice && { onNotice }) });
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
    return new NeonError(known ?? "sqlclient_unable_to_establish_sqlconnection", cleanText(error.message), {
      sqlstate: code,
      party: "connection",
      retryable: code.startsWith("57P") || code.startsWith("53"),
      reported: true,
      cause: error,
      ...(detail && { detail: cleanText(detail) }),
      ...(hint && { hint: cleanText(hint) }),
    });
  }
  if (error instanceof NeonError) return error;
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  const known = NeonError.from(first);
  return new NeonError(
    "sqlclient_unable_to_establish_sqlconnection",
    `cannot connect to ${host}:${port}: ${cleanText(known.message)}`,
    {
      party: "connection",
      retryable: known.retryable || known.code !== "internal_error",
      cause: error,
      ...(known.hint && { hint: known.hint }),
    },
  );
}
