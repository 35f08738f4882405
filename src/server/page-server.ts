import { NeonError } from "../errors.js";
import { type Listener, listen, type ServerHandler } from "../pgwire/listener.js";
import { SerialQueue } from "../serial-queue.js";
import { Store } from "../timeline/store.js";
import { VERSION } from "../version.js";
import { answerQuery } from "./answer-query.js";
import { BranchClaims } from "./branch-claims.js";
import { assertStoreExists, readConfig, socketPath, storePath } from "./config.js";
import type { ServerContext } from "./context.js";
import { isLoopback, type ListenAddress, parseListenAddress } from "./listen-address.js";
import { type Logger, noLog } from "./log.js";
import { passwordUsers } from "./password-users.js";
import { acquireLock, type RepositoryLock } from "./repository-lock.js";

/** What {@link PageServer.start} takes. */
export interface PageServerOptions {
  /** The `.neon` directory. */
  readonly directory: string;
  /** host:port to listen on; the configuration's unless given; false: serve `.neon/socket` only. */
  readonly listen?: string | false | undefined;
  /** Where to log; nowhere unless given. */
  readonly log?: Logger | undefined;
}

// Clients derive features from the number in front, so that it names the protocol's generation and not ours.
const SERVER_VERSION = `14.0 (neon ${VERSION})`;

/** A running page server: the one process that holds a repository, serving it to clients. */
export class PageServer {
  readonly #directory: string;
  readonly #log: Logger;
  #lock: RepositoryLock | undefined;
  /** What commands share once the store is open; they wait for it. */
  readonly #shared: Promise<Omit<ServerContext, "listenAddress">>;
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #provide: (store: Store | Promise<never>) => void = () => {};
  #store: Store | undefined;
  #listener: Listener | undefined;
  #closed: Promise<void> | undefined;
  #tellFailure: (error: NeonError) => void = () => {};

  /**
   * Resolves with the reason if the page server cannot go on: another process has taken the repository over, or the disk
   * beneath its index has failed. Every command and session ends with that reason, and it closes by itself.
   */
  readonly failed = new Promise<NeonError>((resolve) => {
    this.#tellFailure = resolve;
  });

  private constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
    const opened = new Promise<Store>((resolve) => {
      this.#provide = resolve;
    });
    const fixed = {
      claims: new BranchClaims(),
      configChanges: new SerialQueue(),
      startedAt: new Date(),
      closing: this.#closing.signal,
    };
    this.#shared = opened.then((store) => ({ ...fixed, directory, store, log }));
    this.#shared.catch(() => {}); // whoever waits for it is told
  }

  /** host:port of the TCP listener, with the real port; undefined if there is none. */
  get listenAddress(): string | undefined {
    return this.#listener?.addresses.find((address) => address !== socketPath(this.#directory));
  }

  /**
   * Takes the repository, listens, and opens the store. Throws 55006 if another process holds the repository or the
   * port, 22023 for a bad configuration, 55000 for an address beyond loopback without users; nothing stays open then.
   */
  static async start(options: PageServerOptions): Promise<PageServer> {
    const { directory, log = noLog } = options;
    const address = await chooseAddress(options);
    const server = new PageServer(directory, log);
    const lock = await acquireLock(directory, (error) => server.#fail(error));
    server.#lock = lock;
    try {
      // The socket first, which answers those who come while the store is opened.
      server.#listener = await server.#listen(address);
      assertStoreExists(directory);
      server.#store = await Store.open(storePath(directory), {
        assertHeld: lock.assertHeld,
        onFatal: (error) => void server.#fail(error),
        onUpkeepFailed: ({ message }) => log.warn({ message }, "segments could not be merged"),
      });
      server.#provide(server.#store);
    } catch (thrown) {
      const error = NeonError.from(thrown);
      server.#provide(Promise.reject(error));
      await server.abort();
      throw error;
    }
    log.info({ directory, listen: server.listenAddress, version: VERSION }, "page server started");
    const unknown = await server.#store.unknownSegments();
    if (unknown.segments > 0) log.warn(unknown, "the index does not know all segments");
    return server;
  }

  /** Resolves at a moment when no command runs: a {@link close} right then keeps nobody waiting. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Stops accepting, lets running commands come to their end (`follow` ends at once), and gives the repository back. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  /** Like {@link close}, but aborts what runs (57P01). May be called while `close` waits. */
  async abort(): Promise<void> {
    await this.#listener?.destroy();
    await this.close();
  }

  async #fail(error: NeonError): Promise<void> {
    const { message, hint } = error;
    this.#log.error({ directory: this.#directory, message, hint }, "page server cannot go on");
    const ended = this.#listener?.fail(error);
    this.#tellFailure(error);
    await ended;
    await this.close();
  }

  #listen(address: ListenAddress | undefined): Promise<Listener> {
    return listen({
      path: socketPath(this.#directory),
      ...address,
      ...(address && { users: passwordUsers(this.#directory, address, this.#log) }),
      parameters: { server_version: SERVER_VERSION },
      log: this.#log,
      handler: {
        query: (...query) => {
          const command = this.#answer(...query);
          const settled = command.catch(() => {}).finally(() => this.#running.delete(settled));
          this.#running.add(settled);
          return command;
        },
      },
    });
  }

  async #answer(...[sql, reply, connection, signal]: Parameters<ServerHandler["query"]>): Promise<void> {
    const context = { ...(await this.#shared), listenAddress: this.listenAddress };
    await answerQuery(context, sql, reply, connection, signal);
  }

  async #shutDown(): Promise<void> {
    this.#closing.abort(new NeonError("admin_shutdown", "the page server is stopping", { retryable: true }));
    await this.#listener?.close();
    await this.#listener?.drain();
    // A command whose client is gone can still be tidying up, and needs the store for it.
    await Promise.all(this.#running);
    await this.#store?.close();
    await this.#lock?.release();
    this.#log.info({ directory: this.#directory }, "page server stopped");
  }
}

async function chooseAddress({
  directory,
  listen: given,
}: PageServerOptions): Promise<ListenAddress | undefined> {
  const { listen: configured, users } = await readConfig(directory);
  if (given === false) return undefined;
  const address = parseListenAddress(given ?? configured);
  if (isLoopback(address) || users.size > 0) return address;
  throw new NeonError(
    "object_not_in_prerequisite_state",
    `listening on ${address.host} takes users, and there are none`,
    {
      hint: "neon user add NAME makes one. Without users a page server listens on loopback only: 127.0.0.1:6400.",
    },
  );
}
