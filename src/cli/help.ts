import { type Argument, type Command, type Group, isGroup, type Option, sentence } from "./command.js";
import { spell } from "./command-line.js";
import { SECTIONS } from "./commands.js";
import { GLOBAL_OPTIONS, PROGRAM_OPTIONS } from "./global-arguments.js";
import { formatDefinitions, wrapText } from "./wrap-text.js";

/** What the program is, in a sentence. */
export const PROGRAM_SUMMARY = "Branches of stock PostgreSQL that can be pushed and pulled.";

/** The help of the program, of a group or of a command, which `named` names. Lines of at most `width` characters. */
export function formatHelp(
  named: readonly string[],
  entry: Command | Group | undefined,
  width: number,
): string {
  const lines =
    entry === undefined
      ? programHelp(width)
      : isGroup(entry)
        ? groupHelp(entry, width)
        : commandHelp(named, entry, width);
  return lines.join("\n");
}

/** `neon push [options] <branch> <destination>`. */
export function usage(named: readonly string[], command: Command): string {
  const words = Object.entries(command.arguments).map(([name, argument]) => placeholder(name, argument));
  const options = Object.keys(command.options).length > 0 ? ["[options]"] : [];
  return ["neon", ...named, ...options, ...words].join(" ");
}

/** How an option is written, with its short forms and its value: `-n, --max-count N`. */
export function optionTerm(name: string, { short = [], value }: Option): string {
  const forms = [...short.map(spell), spell(name)].join(", ");
  return value === undefined ? forms : `${forms} ${value}`;
}

/** `<branch>`, `[branch]`, `[command...]`. */
function placeholder(name: string, { optional, repeated }: Argument): string {
  const text = repeated ? `${name}...` : name;
  return optional || repeated ? `[${text}]` : `<${text}>`;
}

function programHelp(width: number): string[] {
  return [
    "Usage: neon <command> [options]",
    "",
    ...wrapText(PROGRAM_SUMMARY, width),
    ...SECTIONS.flatMap(({ title, entries }) => ["", `${title}:`, ...describeEntries(entries, width)]),
    ...optionLines("Options", { ...GLOBAL_OPTIONS, ...PROGRAM_OPTIONS }, width),
    "",
    ...wrapText("`neon help <command>` explains a command.", width),
  ];
}

function groupHelp(group: Group, width: number): string[] {
  return [
    `Usage: neon ${group.name} <command> [options]`,
    "",
    ...wrapText(sentence(group), width),
    "",
    "Commands:",
    ...describeEntries(group.commands, width),
    ...optionLines("Options", GLOBAL_OPTIONS, width),
    "",
    ...wrapText(`\`neon ${group.name}\` alone is \`neon ${group.name} ${group.otherwise.name}\`.`, width),
  ];
}

function commandHelp(named: readonly string[], command: Command, width: number): string[] {
  const words = Object.entries(command.arguments).map(([name, { describe }]) => [name, describe] as const);
  return [
    ...wrapText(`Usage: ${usage(named, command)}`, width),
    "",
    ...wrapText(sentence(command), width),
    ...(words.length === 0 ? [] : ["", "Arguments:", ...formatDefinitions(words, width)]),
    ...optionLines("Options", command.options, width),
    ...optionLines("Options of every command", GLOBAL_OPTIONS, width),
    ...(command.notes === undefined ? [] : ["", ...wrapText(command.notes, width)]),
  ];
}

function describeEntries(entries: readonly (Command | Group)[], width: number): string[] {
  // All sections alike: the longest name of them all decides where the texts begin.
  return formatDefinitions(
    entries.map(({ name, summary }) => [name.padEnd(10), summary]),
    width,
  );
}

function optionLines(title: string, options: Readonly<Record<string, Option>>, width: number): string[] {
  const rows = Object.entries(options).map(
    ([name, option]) => [optionTerm(name, option), option.describe] as const,
  );
  return rows.length === 0 ? [] : ["", `${title}:`, ...formatDefinitions(rows, width)];
}
