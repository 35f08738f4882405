import type { GlobalArguments } from "./global-arguments.js";
import { writeTo } from "./print.js";

/** When somebody who waits for the prompt is told why it does not come, in milliseconds. */
const SLOW_MS = 1000;

/** Waits for `work`, and if that takes long says on stderr what it waits for. Never with --json. */
export async function sayIfSlow(args: GlobalArguments, text: string, work: Promise<void>): Promise<void> {
  if (args.json) return work;
  const timer = setTimeout(() => void writeTo(process.stderr, `neon: ${text}\n`), SLOW_MS);
  await work.finally(() => clearTimeout(timer));
}
