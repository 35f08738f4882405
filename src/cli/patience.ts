import { setTimeout as sleep } from "node:timers/promises";
import { NeonError } from "../errors.js";

/** How long a repository may be held by somebody who does not answer, in milliseconds. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 50;

/**
 * Tries `attempt` again as long as it says 55006 of a repository that somebody holds: between taking a repository and
 * listening there is a moment, and another one between the last answer and giving it back. Throws what the last
 * attempt threw, or the signal's reason.
 */
export async function withPatience<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      const held = error instanceof NeonError && error.code === "object_in_use" && error.retryable;
      if (!held || Date.now() > deadline) throw error;
    }
    await sleep(RETRY_MS);
  }
}
