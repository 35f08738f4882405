import { constants } from "node:os";
import { NeonError } from "../errors.js";

type Signal = "SIGINT" | "SIGTERM";

const controller = new AbortController();
let watching = false;
let first: Signal | undefined;

/**
 * Aborts at the first SIGINT or SIGTERM, with a NeonError as reason; the second one ends the process at once, which
 * the repository survives. Until somebody asks for it, signals end the process as usual.
 */
export function interruption(): AbortSignal {
  if (!watching) {
    watching = true;
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, interrupt);
  }
  return controller.signal;
}

/** The signal that asked this process to end, if one did. */
export function interruptedBy(): Signal | undefined {
  return first;
}

/** The exit status of a process that a signal has ended, as shells count it. */
export function statusAfter(name: Signal): number {
  return 128 + constants.signals[name];
}

function interrupt(name: Signal): void {
  if (first !== undefined) process.exit(statusAfter(name));
  first = name;
  controller.abort(new NeonError("query_canceled", "canceled"));
}
