import { NeonError } from "../errors.js";
import { maskPasswords } from "../server/connection-uri.js";
import { interruptedBy, statusAfter } from "./interrupt.js";
import { writeTo } from "./print.js";
import { UsageError } from "./usage-error.js";

/**
 * Writes an error to stderr: `neon: message`, `detail: …`, `hint: …`, or as one line of JSON. A detail that is data is
 * an object there, and left out for people: message and hint say it in words. Stack traces are for NEON_DEBUG=1 only.
 */
export async function reportError(thrown: unknown, json: boolean): Promise<void> {
  const error = NeonError.from(thrown);
  const unexpected = error.code === "internal_error" && !(thrown instanceof NeonError);
  const message = masked(unexpected ? `internal error: ${error.message}` : error.message);
  const detail = masked(error.detail);
  const hint = masked(
    unexpected ? "This is a fault of neon. NEON_DEBUG=1 shows where it happened." : error.hint,
  );
  const { code, sqlstate, party, retryable } = error;
  const data = parseData(detail);
  const lines = [
    `neon: ${message}`,
    detail && data === undefined ? `detail: ${detail}` : undefined,
    hint && `hint: ${hint}`,
  ];
  const text = json
    ? JSON.stringify({ error: { code, sqlstate, message, detail: data ?? detail, hint, party, retryable } })
    : lines.filter((line) => line !== undefined).join("\n");
  await writeTo(process.stderr, `${text}\n`);
  if (process.env.NEON_DEBUG === "1") await writeTo(process.stderr, maskPasswords(stacks(thrown)));
}

/** Exit status for an error: 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP, 2 for a wrong command line, 1 for everything else. */
export function exitStatus(thrown: unknown): number {
  const signal = interruptedBy();
  if (signal !== undefined) return statusAfter(signal);
  return thrown instanceof UsageError ? 2 : 1;
}

/** The JSON object that a detail is; undefined if it is prose. */
function parseData(detail: string | undefined): object | undefined {
  if (!detail?.startsWith("{")) return undefined;
  try {
    return JSON.parse(detail);
  } catch {
    return undefined;
  }
}

/** Our own messages hold no password; one that quotes the command line may. */
function masked(text: string | undefined): string | undefined {
  return text && maskPasswords(text);
}

function stacks(thrown: unknown): string {
  let text = "";
  for (let error = thrown; error instanceof Error; error = error.cause) text += `${error.stack}\n`;
  return text;
}
