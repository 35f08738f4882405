import { type ErrorCode, NeonError } from "../../errors.js";

/** What ends a page server that nobody ended: its disk failed, or it lost its repository. */
const FAILURES: readonly ErrorCode[] = ["io_error", "object_in_use"];

/** Throws the signal's reason if a failure of the page server ended a following: that is no end that somebody wanted. */
export function throwIfFailed(signal: AbortSignal): void {
  if (signal.aborted && FAILURES.includes(NeonError.from(signal.reason).code)) throw signal.reason;
}
