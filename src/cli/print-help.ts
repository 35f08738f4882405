import type { Command, Group } from "./command.js";
import { formatHelp } from "./help.js";
import { writeTo } from "./print.js";

/** Widest line of a help text: longer ones are hard to read. */
const MAX_WIDTH = 100;
/** Where a terminal says that it has fewer columns, nothing looks well. */
const MIN_WIDTH = 30;

/** Prints the help of the program, of a group or of a command, as wide as the terminal. */
export function printHelp(named: readonly string[], entry: Command | Group | undefined): Promise<void> {
  const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, process.stdout.columns || MAX_WIDTH));
  return writeTo(process.stdout, `${formatHelp(named, entry, width)}\n`);
}
