import { rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { NeonError } from "../errors.js";
import { CancelKeys } from "./cancel-keys.js";
import type { PasswordUsers } from "./scram/authenticate.js";
import type { ListenerLog, ServerHandler } from "./server-handler.js";
import { ServerSession } from "./server-session.js";
import { withShortPath } from "./socket-path.js";

export type { CopyBoth, CopyMessage } from "./copy-both.js";
export type { PasswordUsers } from "./scram/authenticate.js";
export type { ListenerLog, Reply, ServerConnection, ServerHandler } from "./server-handler.js";

/** What `listen` takes. At least one of `path` and `port`. */
export interface ListenOptions {
  /** Unix socket, made with mode 0600. A stale one that nobody listens on is replaced. */
  readonly path?: string | undefined;
  /** TCP address; `127.0.0.1` unless given. */
  readonly host?: string | undefined;
  /** TCP port; 0 for any free one. */
  readonly port?: number | undefined;
  readonly handler: ServerHandler;
  /** ParameterStatus that are sent besides the fixed ones: `server_version` above all. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly log?: ListenerLog | undefined;
  /**
   * Who may come in over TCP, asked at the start of each session; undefined lets everybody in. Whoever can open the unix
   * socket needs no password.
   */
  readonly users?: (() => Promise<PasswordUsers | undefined>) | undefined;
  /** Milliseconds that a client has to start its session, its authentication included; 30 s unless given. */
  readonly startupTimeoutMs?: number | undefined;
}

/** A server end. */
export interface Listener {
  /** Where it listens: the path, and `host:port` with the real port. */
  readonly addresses: readonly string[];
  /** Stops accepting and removes the unix socket. Sessions go on. */
  close(): Promise<void>;
  /** Ends idle sessions, the others after their running command (57P01). Resolves when none is left. */
  drain(): Promise<void>;
  /** Stops accepting, aborts what runs and closes every socket. Resolves when all are closed. */
  destroy(): Promise<void>;
}

/** Listens for libpq clients. Throws 55006 if the address is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const sessions = new SessionSet(options);
  const servers: Server[] = [];
  const addresses: string[] = [];
  try {
    if (options.path !== undefined) {
      servers.push(await listenOnPath(options.path, (socket) => sessions.accept(socket, true)));
      addresses.push(options.path);
    }
    if (options.port !== undefined) {
      const address = { host: options.host ?? "127.0.0.1", port: options.port };
      const server = createServer(TCP_OPTIONS, (socket) => sessions.accept(socket, false));
      await startListening(server, address, `${address.host}:${address.port}`);
      servers.push(server);
      const { address: host, port, family } = server.address() as AddressInfo;
      addresses.push(family === "IPv6" ? `[${host}]:${port}` : `${host}:${port}`);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stopListening(servers, options.path);
    return closing;
  };
  return {
    addresses,
    close,
    drain: () => sessions.end((session) => session.drain()),
    destroy: async () => {
      await Promise.all([close(), sessions.end((session) => session.destroy())]);
    },
  };
}

/** Without the delay the kernel's would count, two hours; connect() asks for the same one at the other end. */
const TCP_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** The clients that are connected. */
class SessionSet {
  readonly #options: ListenOptions;
  readonly #cancelKeys = new CancelKeys();
  readonly #sessions = new Map<ServerSession, Promise<void>>();

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  accept(socket: Socket, local: boolean): void {
    const session = new ServerSession(socket, { ...this.#options, local, cancelKeys: this.#cancelKeys });
    this.#sessions.set(
      session,
      session.run().finally(() => this.#sessions.delete(session)),
    );
  }

  async end(stop: (session: ServerSession) => void): Promise<void> {
    while (this.#sessions.size > 0) {
      for (const session of this.#sessions.keys()) stop(session);
      await Promise.all(this.#sessions.values());
    }
  }
}

async function listenOnPath(path: string, accept: (socket: Socket) => void): Promise<Server> {
  return withShortPath(path, async (short) => {
    try {
      return await bindPath(short, path, accept);
    } catch (error) {
      if (!(error instanceof NeonError) || error.code !== "object_in_use" || (await isAlive(short)))
        throw error;
      await rm(short, { force: true });
      return bindPath(short, path, accept);
    }
  });
}

async function bindPath(short: string, path: string, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer(accept);
  // bind(2) happens inside listen(), so the socket never exists with a wider mode.
  const before = process.umask(0o177);
  let listening: Promise<void>;
  try {
    listening = startListening(server, { path: short }, path);
  } finally {
    process.umask(before);
  }
  await listening;
  return server;
}

function startListening(
  server: Server,
  where: { path: string } | { host: string; port: number },
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(NeonError.from(error));
      const hint = "Another process listens there.";
      reject(new NeonError("object_in_use", `the address ${name} is in use`, { hint, cause: error }));
    });
    server.listen({ ...where, exclusive: true }, () => {
      server.removeAllListeners("error");
      // accept(2) can fail for want of file descriptors; the next one may succeed.
      server.on("error", () => {});
      resolve();
    });
  });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function stopListening(servers: Server[], path: string | undefined): Promise<void> {
  // The callback of close() would wait for every session; no more are accepted from here on.
  for (const server of servers) server.close();
  if (path !== undefined) await rm(path, { force: true });
}
