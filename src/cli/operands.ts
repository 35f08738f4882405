import { UsageError } from "./usage-error.js";

/** Stands before a word that begins with a dash and is no option, since yargs does not give commands what follows `--`. */
const MARK = "\u0001";

/** Takes the `--` out of a command line: every word behind it is an argument, also one that begins with a dash. */
export function markOperands(words: readonly string[]): string[] {
  const end = words.indexOf("--");
  if (end === -1) return [...words];
  const operands = words.slice(end + 1).map((word) => (word.startsWith("-") ? MARK + word : word));
  return [...words.slice(0, end), ...operands];
}

/** Takes the marks off again, in the arguments of a command, which are changed in place. */
export function unmarkOperands(args: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(args)) if (typeof value === "string") args[name] = unmark(value);
}

/** Takes the marks off a text. */
export function unmark(text: string): string {
  return text.replaceAll(MARK, "");
}

/** Throws for `--json=maybe`, which yargs would take for false. `args` are the command's, by name. */
export function assertFlags(words: readonly string[], args: Record<string, unknown>): void {
  for (const word of words) {
    const [, name, value] = /^--?([A-Za-z][\w-]*)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || typeof args[name] !== "boolean" || value === "true" || value === "false")
      continue;
    throw new UsageError(`option ${name} takes no value`);
  }
}
