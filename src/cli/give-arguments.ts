import type { Argument, Command } from "./command.js";
import type { CommandLine } from "./command-line.js";
import { usage } from "./help.js";
import { UsageError } from "./usage-error.js";

/** Names arguments and options of a command line as its command does. Throws UsageError for too few and too many words. */
export async function giveArguments(line: CommandLine, command: Command): Promise<Record<string, unknown>> {
  const { operands, options, named } = line;
  const given: Record<string, unknown> = { json: options.has("json") };
  for (const [name, { value }] of Object.entries(command.options)) {
    given[name] = value === undefined ? options.has(name) : options.get(name);
  }
  const expected = Object.entries(command.arguments);
  const missing = expected.filter(([, argument], at) => at >= operands.length && isNeeded(argument));
  if (missing.length > 0) throw await tooFew(line, command, missing);
  const takesAll = expected.at(-1)?.[1].repeated === true;
  if (operands.length > expected.length && !takesAll) throw tooMany(named, command, operands);
  for (const [at, [name, { repeated }]] of expected.entries()) {
    given[name] = repeated ? operands.slice(at) : operands[at];
  }
  return given;
}

function isNeeded({ optional, repeated }: Argument): boolean {
  return !optional && !repeated;
}

async function tooFew(
  { named }: CommandLine,
  command: Command,
  missing: readonly (readonly [string, Argument])[],
): Promise<UsageError> {
  const names = missing.map(([name]) => withArticle(name));
  const known = missing.length === 1 ? await explain(missing[0] as readonly [string, Argument]) : "";
  return new UsageError(
    `${named.join(" ")} needs ${names.join(" and ")}`,
    `Usage: ${usage(named, command)}${known}`,
  );
}

function withArticle(name: string): string {
  if (name === "uri") return "a URI";
  return `${/^[aeio]/.test(name) ? "an" : "a"} ${name}`;
}

/** What the one that is missing is: the values that it can have, where they can be told without asking a page server. */
async function explain([name, { kind, describe }]: readonly [string, Argument]): Promise<string> {
  if (kind !== "origin") return `; ${name}: ${describe}`;
  const { knownNames } = await import("./known-names.js");
  const origins = await knownNames("origin", ".");
  return origins.length === 0
    ? ". Name another page server first: neon origin add cloud postgresql://host:port/"
    : `. Origins here: ${origins.join(", ")}`;
}

function tooMany(named: readonly string[], command: Command, operands: readonly string[]): UsageError {
  const extra = operands.slice(Object.keys(command.arguments).length);
  return new UsageError(
    `too many arguments for ${named.join(" ")}: ${extra.join(" ")}`,
    `Usage: ${usage(named, command)}. Quote an argument that holds spaces.`,
  );
}
