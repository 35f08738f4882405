import { NeonError } from "../errors.js";

const controller = new AbortController();
let watching = false;
let first: NodeJS.Signals | undefined;

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
export function interruptedBy(): NodeJS.Signals | undefined {
  return first;
}

function interrupt(name: NodeJS.Signals): void {
  if (first !== undefined) process.exit(130);
  first = name;
  controller.abort(new NeonError("query_canceled", "canceled"));
}
