import type { ServerConnection } from "../pgwire/listener.js";
import type { Logger } from "./log.js";

/** Between two lines about a command that a connection repeats, in milliseconds. */
const REPEAT_MS = 5 * 60_000;

/** A command that a connection has run last, and what the log has yet to say of it. */
interface Repeated {
  readonly command: unknown;
  loggedAt: number;
  times: number;
  frames: number;
  bytes: number;
}

const repeated = new WeakMap<ServerConnection, Repeated>();

/**
 * Logs a command that is done. One that its connection runs again and again, as a push that follows does twice a second,
 * is logged the first time, every five minutes, and when the connection ends: how often it ran, and its frames and bytes
 * together.
 */
export function logDone(log: Logger, connection: ServerConnection, facts: Record<string, unknown>): void {
  const last = repeated.get(connection);
  if (last?.command === facts.command && last !== undefined) {
    last.times++;
    last.frames += Number(facts.frames ?? 0);
    last.bytes += Number(facts.bytes ?? 0);
    if (Date.now() - last.loggedAt >= REPEAT_MS) logRepeated(log, connection, last);
    return;
  }
  log.info(facts, "command done");
  if (last !== undefined) logRepeated(log, connection, last);
  else connection.closed.addEventListener("abort", () => logRest(log, connection), { once: true });
  const { command } = facts;
  repeated.set(connection, { command, loggedAt: Date.now(), times: 0, frames: 0, bytes: 0 });
}

function logRest(log: Logger, connection: ServerConnection): void {
  const last = repeated.get(connection);
  if (last !== undefined) logRepeated(log, connection, last);
}

function logRepeated(log: Logger, { remote }: ServerConnection, last: Repeated): void {
  const { command, times, frames, bytes } = last;
  if (times > 0) log.info({ remote, command, times, frames, bytes }, "command repeated");
  Object.assign(last, { loggedAt: Date.now(), times: 0, frames: 0, bytes: 0 });
}
