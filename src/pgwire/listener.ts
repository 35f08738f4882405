import { randomBytes } from "node:crypto";
import { rename, rm, stat } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";
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
  /** Unix socket, made with mode 0600. A stale one, which refuses connections, is replaced. */
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
  /** Stops accepting, and ends what runs and every session with `reason`. Resolves when none is left. */
  fail(reason: NeonError): Promise<void>;
  /** Stops accepting, aborts what runs and closes every socket. Resolves when all are closed. */
  destroy(): Promise<void>;
}

/** Listens for libpq clients. Throws 55006 if the address is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const sessions = new SessionSet(options);
  const servers: Server[] = [];
  const addresses: string[] = [];
  let removePath = async () => {};
  // The callback of close() would wait for every session; no more are accepted from here on.
  const stop = async () => {
    for (const server of servers) server.close();
    await removePath();
  };
  try {
    if (options.path !== undefined) {
      const onPath = await listenOnPath(options.path, (socket) => sessions.accept(socket, true));
      ({ removePath } = onPath);
      servers.push(onPath.server);
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
    await stop();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stop();
    return closing;
  };
  return {
    addresses,
    close,
    drain: () => sessions.end((session) => session.drain()),
    fail: async (reason) => {
      await Promise.all([close(), sessions.end((session) => session.fail(reason))]);
    },
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

/** A unix socket's server, and what takes away its path. */
interface PathServer {
  readonly server: Server;
  /** Removes the path, unless it is another server's by now. */
  removePath(): Promise<void>;
}

/**
 * Listens under a name of its own, which then becomes `path`: at no time is the path without a socket, and a stale one is
 * replaced, never deleted first. Of two that do this at once the second can put its socket in the place of the first one's,
 * so that callers hold a lock.
 */
async function listenOnPath(path: string, accept: (socket: Socket) => void): Promise<PathServer> {
  const own = `${path}.${randomBytes(3).toString("hex")}`;
  return withShortPath(own, async (short) => {
    const shortPath = join(dirname(short), basename(path));
    const server = await bindPath(short, path, accept);
    try {
      if (await isInUse(shortPath)) throw inUse(path);
      await rename(short, shortPath);
    } catch (error) {
      server.close();
      await rm(own, { force: true });
      throw NeonError.from(error);
    }
    const { ino } = await stat(path);
    // What stays there is stale, and replaced by the next server: no reason to fail.
    const removePath = async () => {
      const there = await stat(path).catch(() => undefined);
      if (there?.ino === ino) await rm(path, { force: true }).catch(() => {});
    };
    return { server, removePath };
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
      reject(error.code === "EADDRINUSE" ? inUse(name, error) : NeonError.from(error));
    });
    server.listen({ ...where, exclusive: true }, () => {
      server.removeAllListeners("error");
      // accept(2) can fail for want of file descriptors; the next one may succeed.
      server.on("error", () => {});
      resolve();
    });
  });
}

function inUse(name: string, cause?: unknown): NeonError {
  const hint = "Another process listens there.";
  return new NeonError("object_in_use", `the address ${name} is in use`, { hint, cause });
}

/** Whether somebody may listen at a path: only a refusal, or nothing there, says that nobody does. */
function isInUse(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code = "" }: NodeJS.ErrnoException) => resolve(!NOBODY.includes(code)));
  });
}

const NOBODY = ["ECONNREFUSED", "ENOENT"];
