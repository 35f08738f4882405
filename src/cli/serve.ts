import { once } from "node:events";
import { join } from "node:path";
import { NeonError } from "../errors.js";
import { openLog } from "../server/log.js";
import { PageServer } from "../server/page-server.js";
import { interruptedBy, interruption } from "./interrupt.js";
import { withPatience } from "./patience.js";

/** Path of the log of a repository's page server. */
export function logPath(neonDirectory: string): string {
  return join(neonDirectory, "log");
}

/**
 * Runs the page server of a repository in this process until a signal ends it, with Postgres's meanings: SIGTERM lets
 * running commands end (SIGHUP too: the terminal is gone), SIGINT cancels them. `onReady` is called once clients can connect.
 * Throws why the page server has to end, if its disk fails.
 */
export async function serve(neonDirectory: string, onReady: () => Promise<void>): Promise<void> {
  const signal = interruption();
  const log = await openLog(logPath(neonDirectory));
  try {
    const server = await withPatience(signal, () => PageServer.start({ directory: neonDirectory, log }));
    await onReady();
    const failure = signal.aborted ? undefined : await Promise.race([once(signal, "abort"), server.failed]);
    await (interruptedBy() === "SIGINT" ? server.abort() : server.close());
    if (failure instanceof NeonError) throw failure;
  } catch (error) {
    log.error({ message: NeonError.from(error).message }, "the page server ends with an error");
    throw error;
  }
}
