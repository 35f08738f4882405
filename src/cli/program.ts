import { changeDirectory } from "./change-directory.js";
import { parseCommandLine } from "./command-line.js";
import { versionCommand } from "./commands/version.js";
import { resolveCommand } from "./commands.js";
import { giveArguments } from "./give-arguments.js";
import { writeTo } from "./print.js";
import { UsageError } from "./usage-error.js";

/**
 * Runs the command line `words` (without the program's name) and resolves when its result is printed.
 *
 * Throws UsageError for words that are no command, and whatever the command throws.
 */
export async function run(words: readonly string[]): Promise<void> {
  if (words[0] === "__complete") return printCandidates(words.slice(2));
  if (asksForHelp(words)) {
    const { printHelp } = await import("./print-help.js");
    const [first, ...others] = operandsOf(words);
    const { named, entry } = resolveCommand(first === undefined ? [] : [first, ...others]);
    if (first !== undefined && entry === undefined) parseCommandLine([first]); // throws: there is no such command
    return printHelp(named, entry);
  }
  const line = parseCommandLine(words);
  const command = line.options.has("version") ? versionCommand : line.command;
  if (command === undefined) throw new UsageError("no command given");
  changeDirectory(line.options.get("C") as string | undefined);
  await command.run((await giveArguments(line, command)) as never);
}

/** What the scripts of `neon completion` ask, behind `--`. */
async function printCandidates(words: readonly string[]): Promise<void> {
  const { complete } = await import("./complete.js");
  for (const line of await complete(words)) await writeTo(process.stdout, `${line}\n`);
}

function asksForHelp(words: readonly string[]): boolean {
  return beforeOperands(words).some((word) => word === "--help" || word === "-h");
}

/** The words that name a command, however wrong the rest of the line is. */
function operandsOf(words: readonly string[]): string[] {
  return beforeOperands(words).filter((word, at) => !word.startsWith("-") && words[at - 1] !== "-C");
}

function beforeOperands(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end === -1 ? words : words.slice(0, end);
}
