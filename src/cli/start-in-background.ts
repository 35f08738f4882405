import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { type ErrorCode, NeonError } from "../errors.js";
import { interruption } from "./interrupt.js";
import { logPath } from "./serve.js";

/** What a page server in the background tells the command that started it, once. */
export type StartReport = { readonly ready: true } | { readonly ready: false; readonly error: StartError };

interface StartError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

/** How long a page server that is not wanted may take to end before it is killed, in milliseconds. */
const END_MS = 5000;

/**
 * Starts `neon start --foreground` as a process of its own, which outlives this one, and resolves with what `describe` says
 * of it when it serves. Throws the error that it, or `describe`, failed with; nothing runs any more then.
 */
export async function startInBackground<T>(neonDirectory: string, describe: () => Promise<T>): Promise<T> {
  const signal = interruption();
  const program = process.argv[1] as string;
  const log = await open(logPath(neonDirectory), "a", 0o600);
  // What the process itself says, such as a crash of the runtime, goes to the log; its start goes over the channel.
  const child = spawn(
    process.execPath,
    [...process.execArgv, program, "-C", dirname(neonDirectory), "start", "--foreground"],
    {
      cwd: "/",
      detached: true,
      // Nobody can make a crash in the background happen again to see where: the log says it at once.
      env: { ...process.env, NEON_DEBUG: "1" },
      stdio: ["ignore", log.fd, log.fd, "ipc"],
    },
  );
  try {
    await reported(child, signal);
    return await describe();
  } catch (error) {
    await end(child);
    throw error;
  } finally {
    await log.close();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await ended;
  clearTimeout(timer);
}

/** Tells the command that waits in {@link startInBackground} how the start went. False if no command waits. */
export async function reportStart(report: StartReport): Promise<boolean> {
  if (process.send === undefined || !process.connected) return false;
  await new Promise<void>((resolve) => process.send?.(report, undefined, undefined, () => resolve()));
  if (process.connected) process.disconnect();
  return true;
}

async function reported(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const report = await Promise.race([
    once(child, "message", { signal }).then(([message]) => message as StartReport),
    once(child, "exit", { signal }).then(([status, name]) => exited(status ?? name)),
  ]).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
  if (report.ready) return;
  const { code, message, detail, hint } = report.error;
  throw new NeonError(code, message, { ...(detail && { detail }), ...(hint && { hint }) });
}

function exited(status: number | string): StartReport {
  const message = `the page server ended with ${status} before it served anything`;
  return {
    ready: false,
    error: { code: "internal_error", message, hint: "Its log, .neon/log, may say why." },
  };
}
