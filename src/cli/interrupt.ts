import { constants } from "node:os";
import { NeonError } from "../errors.js";

type Signal = "SIGHUP" | "SIGINT" | "SIGTERM";

/** A terminal that is closed asks as politely as SIGTERM does. */
const SIGNALS: readonly Signal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

const controller = new AbortController();
let watching = false;
let first: Signal | undefined;

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, with a NeonError as reason; another SIGINT or SIGTERM ends the process
 * at once, which the repository survives. Until somebody asks for it, signals end the process as usual.
 */
export function interruption(): AbortSignal {
  if (!watching) {
    watching = true;
    for (const name of SIGNALS) process.on(name, interrupt);
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
  if (first !== undefined) {
    // Shell and kernel both tell of a closed terminal: the second time is no impatience.
    if (name === "SIGHUP") return;
    process.exit(statusAfter(name));
  }
  first = name;
  controller.abort(new NeonError("query_canceled", "canceled"));
}
