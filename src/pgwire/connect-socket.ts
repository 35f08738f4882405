import { connect as dial, type Socket } from "node:net";
import { NeonError } from "../errors.js";
import { MAX_SESSION_MESSAGE_BYTES } from "../limits.js";
import { BodyReader } from "./body-reader.js";
import { buildMessage, byte, cstring } from "./build-message.js";
import { sendCancelRequest } from "./cancel-request.js";
import { ClientConnection } from "./client-connection.js";
import { CONNECT_TIMEOUT_MS, type ConnectOptions } from "./connect-options.js";
import type { Connection } from "./connection.js";
import { parseError, parseNotice } from "./error-fields.js";
import { connectionLost, MessageReader } from "./message-reader.js";
import { Backend, describeType, StartupCode } from "./message-types.js";
import { osUserName } from "./os-user.js";
import { withShortPath } from "./socket-path.js";

/**
 * Connects to a page server's unix socket, whatever the length of its path. Throws 58P01 if the socket is not there, 08001
 * if nobody listens on it.
 */
export async function connectSocket(
  path: string,
  options: Omit<ConnectOptions, "uri" | "replication"> = {},
): Promise<Connection> {
  const { signal } = options;
  signal?.throwIfAborted();
  const socket = await withShortPath(path, dialPath);
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const timer = setTimeout(() => socket.destroy(silence(path, timeoutMs)), timeoutMs);
  try {
    const connection = await startUp(socket, path, options);
    const abort = () => connection.destroy(NeonError.from(signal?.reason));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    return connection;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function dialPath(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial({ path });
    socket.once("error", (error) => reject(NeonError.from(error)));
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

/** StartupMessage up to ReadyForQuery. A page server trusts whoever can open its unix socket. */
async function startUp(
  socket: Socket,
  path: string,
  { applicationName = "neon", onNotice }: Pick<ConnectOptions, "applicationName" | "onNotice">,
): Promise<ClientConnection> {
  const reader = new MessageReader(socket, () => MAX_SESSION_MESSAGE_BYTES);
  const settings = ["user", osUserName(), "application_name", applicationName, "client_encoding", "UTF8"];
  socket.write(buildMessage(0, StartupCode.Protocol3, ...settings.map(cstring), byte(0)));
  const parameters = new Map<string, string>();
  let cancel = () => {};
  for (;;) {
    const message = await reader.next();
    if (message === undefined) throw connectionLost();
    const body = new BodyReader(message.body);
    switch (message.type) {
      case Backend.Authentication:
        if (body.int32() !== 0) throw unexpected("asks for a password");
        break;
      case Backend.ParameterStatus:
        parameters.set(body.cstring(), body.cstring());
        break;
      case Backend.BackendKeyData: {
        const [processId, secretKey] = [body.int32(), body.int32()];
        cancel = () => {
          const send = (short: string) =>
            sendCancelRequest(() => dial({ path: short }), processId, secretKey);
          withShortPath(path, send).catch(() => {});
        };
        break;
      }
      case Backend.NoticeResponse:
        onNotice?.(parseNotice(message.body));
        break;
      case Backend.ErrorResponse:
        throw parseError(message.body);
      case Backend.ReadyForQuery:
        return new ClientConnection({ socket, parameters, cancel, ...(onNotice && { onNotice }) }, reader);
      default:
        throw unexpected(`sent a message of type ${describeType(message.type)} at its start`);
    }
  }
}

function unexpected(what: string): NeonError {
  return new NeonError("protocol_violation", `the page server ${what}`, { party: "protocol" });
}

function silence(path: string, timeoutMs: number): NeonError {
  const text = `no answer on ${path} within ${timeoutMs / 1000} s`;
  return new NeonError("sqlclient_unable_to_establish_sqlconnection", text, {
    party: "connection",
    retryable: true,
  });
}
