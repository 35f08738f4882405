import { NeonError } from "../errors.js";
import type { Connection } from "../pgwire/connection.js";
import type { PageServer } from "../server/page-server.js";
import { connectHolder } from "./connect-holder.js";
import { withPatience } from "./patience.js";

/** A connection to whoever serves the repository. */
export interface Attachment {
  readonly connection: Connection;
  /** Whether the page server is this process. */
  readonly embedded: boolean;
  /** Ends the connection. A page server in this process ends too, after the commands of others that it runs. */
  release(): Promise<void>;
}

/**
 * Connects to the page server of a repository. If nobody holds the repository, one is started in this process, which
 * others can use too as long as it lasts.
 *
 * Throws 55006 if the repository stays held by a process that does not answer, and the signal's reason.
 */
export function attach(neonDirectory: string, signal: AbortSignal): Promise<Attachment> {
  return withPatience(signal, async () => {
    const connection = await connectHolder(neonDirectory);
    if (connection === undefined) return embed(neonDirectory, signal);
    return { connection, embedded: false, release: () => connection.close() };
  });
}

async function embed(neonDirectory: string, signal: AbortSignal): Promise<Attachment> {
  const { PageServer } = await import("../server/page-server.js");
  const server = await PageServer.start({ directory: neonDirectory, listen: false });
  const connection = await connectHolder(neonDirectory);
  if (connection === undefined) {
    await server.close();
    throw new NeonError("internal_error", "the page server inside this process does not answer");
  }
  return {
    connection,
    embedded: true,
    async release() {
      await connection.close();
      await endWithOthers(server, signal);
    },
  };
}

/** Ends a page server after the commands of others that it runs. Ctrl-C cancels them. */
async function endWithOthers(server: PageServer, signal: AbortSignal): Promise<void> {
  const abort = () => void server.abort();
  signal.addEventListener("abort", abort, { once: true });
  await server.idle();
  await server.close();
  signal.removeEventListener("abort", abort);
}
