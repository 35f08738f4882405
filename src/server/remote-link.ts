import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, NeonError } from "../errors.js";
import type { Connection } from "../pgwire/connection.js";
import type { Context } from "./context.js";
import { connectRemote, explainRemote, remoteName } from "./remote.js";

/** Between two attempts to reach a page server that has gone away: doubled each time, up to the second one. */
const RETRY_MS = { first: 500, last: 15_000 };

/** What tells that the other page server is going, gone, or not yet back. */
const AWAY: readonly ErrorCode[] = [
  "connection_failure",
  "sqlclient_unable_to_establish_sqlconnection",
  "admin_shutdown",
  "cannot_connect_now",
];

/** What a {@link RemoteLink} takes of a command's context. */
type LinkContext = Pick<Context, "directory" | "signal" | "closing" | "log" | "notice">;

/** The way to another page server, which may go away and come back. */
export class RemoteLink {
  readonly #destination: string;
  readonly #context: LinkContext;
  #connection: Connection;

  private constructor(destination: string, context: LinkContext, connection: Connection) {
    this.#destination = destination;
    this.#context = context;
    this.#connection = connection;
  }

  /** Connects. Throws what `connectRemote` does: who has never been there is not waited for. */
  static async open(destination: string, context: LinkContext): Promise<RemoteLink> {
    const { directory, signal } = context;
    return new RemoteLink(destination, context, await connectRemote(directory, destination, signal));
  }

  /** Does some work over the connection. Throws what that throws; {@link patiently} can then be told to go on. */
  run<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return work(this.#connection);
  }

  /**
   * As {@link run}, but where the page server there goes away the user is told, and the work begins anew as soon as it is
   * back. Throws every other error, and the reason when the command is cancelled or this page server ends meanwhile.
   */
  async patiently<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const { signal, closing } = this.#context;
    const ended = AbortSignal.any([signal, closing]);
    let away = false;
    for (let delay = RETRY_MS.first; ; delay = Math.min(2 * delay, RETRY_MS.last)) {
      try {
        if (away) await this.#reconnect();
        return await work(this.#connection);
      } catch (thrown) {
        if (signal.aborted || !AWAY.includes(NeonError.from(thrown).code)) throw thrown;
        this.#connection.destroy();
        if (!away) this.#tell(`${this.#explain(thrown).message}; trying again until it is back`);
        away = true;
      }
      await sleep(delay, undefined, { signal: ended }).catch(() => undefined);
      ended.throwIfAborted();
    }
  }

  /** Ends the connection: at once if nobody can wait for its end. */
  async close(): Promise<void> {
    if (this.#context.signal.aborted) this.#connection.destroy();
    else await this.#connection.close();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#connection.destroy();
  }

  async #reconnect(): Promise<void> {
    const { directory, signal } = this.#context;
    this.#connection = await connectRemote(directory, this.#destination, signal);
    this.#tell(`the page server at ${remoteName(this.#destination)} is back`);
  }

  #explain(thrown: unknown): NeonError {
    return explainRemote(thrown, this.#destination, "sink");
  }

  #tell(text: string): void {
    this.#context.notice(text);
    this.#context.log.info({}, text);
  }
}
