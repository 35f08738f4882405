import { NeonError } from "../errors.js";
import { maskPasswords } from "../server/connection-uri.js";
import { interruptedBy } from "./interrupt.js";
import { writeTo } from "./print.js";
import { UsageError } from "./usage-error.js";

/**
 * Writes an error to stderr: `neon: message`, `detail: …`, `hint: …`, or as one line of JSON. Stack traces are for
 * NEON_DEBUG=1 only.
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
  const lines = [`neon: ${message}`, detail && `detail: ${detail}`, hint && `hint: ${hint}`];
  const text = json
    ? JSON.stringify({ error: { code, sqlstate, message, detail, hint, party, retryable } })
    : lines.filter((line) => line !== undefined).join("\n");
  await writeTo(process.stderr, `${text}\n`);
  if (process.env.NEON_DEBUG === "1") await writeTo(process.stderr, maskPasswords(stacks(thrown)));
}

/** Exit status for an error: 130 after Ctrl-C, 2 for a wrong command line, 1 for everything else. */
export function exitStatus(thrown: unknown): number {
  if (interruptedBy() !== undefined) return 130;
  return thrown instanceof UsageError ? 2 : 1;
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
