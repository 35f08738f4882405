import { type Argument, type Command, type Group, isGroup, type Kind, type Option } from "./command.js";
import { spell } from "./command-line.js";
import { COMMANDS } from "./commands.js";
import { GLOBAL_OPTIONS, PROGRAM_OPTIONS } from "./global-arguments.js";
import { knownNames } from "./known-names.js";

/** What can stand for a word: a value, or the names of directories, which the shell knows better. */
export interface Candidate {
  readonly value: string;
  readonly describe: string;
}

/** The line that asks the shell for directories. No candidate begins with a colon. */
export const DIRECTORIES = ":directories";

/**
 * The lines that shell completion is made of: what the last of `words` (which may be empty) can become, `value`, a tab and
 * what it means. A command line that is wrong has none. Asks a page server that runs, starts none, and reports no error.
 */
export async function complete(words: readonly string[]): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const place = findPlace(words.slice(0, -1));
  if (place === undefined) return [];
  if (place.kind === undefined && current.startsWith("-")) return lines(optionsOf(place.scope), current);
  const kind = place.kind ?? place.argument?.kind;
  if (kind === "directory") return [DIRECTORIES];
  if (kind === "command") return lines(COMMANDS.map(named), current);
  if (kind !== undefined) return lines(await namesOf(kind, place.directory), current);
  if (place.argument !== undefined) {
    return lines(
      (place.argument.choices ?? []).map((value) => ({ value, describe: "" })),
      current,
    );
  }
  return lines(entriesOf(place.scope).map(named), current);
}

interface Place {
  /** The program (undefined), a group or a command that the word belongs to. */
  readonly scope: Command | Group | undefined;
  /** What the value of an option is, if the word is one. */
  readonly kind: Kind | "nothing" | undefined;
  /** The argument that the word is, if it is one. */
  readonly argument: Argument | undefined;
  /** What -C says. */
  readonly directory: string;
}

/** Where the word behind `words` stands. Undefined where nothing can follow. */
function findPlace(words: readonly string[]): Place | undefined {
  let scope: Command | Group | undefined;
  let operands = 0;
  let directory = ".";
  let behindOptions = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "--") behindOptions = true;
    else if (word.startsWith("-") && !behindOptions) {
      const option = valueOption(word, scope);
      if (option === undefined) continue;
      if (at === words.length - 1) {
        return { scope, kind: option.kind ?? "nothing", argument: undefined, directory };
      }
      at++;
      if (word === "-C") directory = words[at] as string;
    } else if (scope !== undefined && !isGroup(scope)) operands++;
    else {
      scope = entriesOf(scope).find(({ name }) => name === word);
      if (scope === undefined) return undefined;
    }
  }
  if (scope === undefined || isGroup(scope))
    return { scope, kind: undefined, argument: undefined, directory };
  const expected = Object.values(scope.arguments);
  const last = expected.at(-1);
  const argument = expected[operands] ?? (last?.repeated ? last : { describe: "", choices: [] });
  return { scope, kind: undefined, argument, directory };
}

/** The option that a word is, if its value is the next word. */
function valueOption(word: string, scope: Command | Group | undefined): Option | undefined {
  const found = Object.entries(allOptions(scope)).find(
    ([name, { short = [] }]) => word === spell(name) || short.some((letter) => word === spell(letter)),
  )?.[1];
  return found?.value === undefined ? undefined : found;
}

function allOptions(scope: Command | Group | undefined): Readonly<Record<string, Option>> {
  const own =
    scope === undefined ? PROGRAM_OPTIONS : isGroup(scope) ? scope.otherwise.options : scope.options;
  return { ...own, ...GLOBAL_OPTIONS };
}

function optionsOf(scope: Command | Group | undefined): Candidate[] {
  return Object.entries(allOptions(scope)).map(([name, { describe }]) => ({ value: spell(name), describe }));
}

function entriesOf(scope: Command | Group | undefined): readonly (Command | Group)[] {
  return scope === undefined ? COMMANDS : isGroup(scope) ? scope.commands : [];
}

function named({ name, summary }: Command | Group): Candidate {
  return { value: name, describe: summary };
}

async function namesOf(kind: Kind | "nothing", directory: string): Promise<Candidate[]> {
  if (kind !== "branch" && kind !== "origin" && kind !== "user") return [];
  return (await knownNames(kind, directory)).map((value) => ({ value, describe: "" }));
}

function lines(candidates: readonly Candidate[], current: string): string[] {
  return candidates
    .filter(({ value }) => value.startsWith(current))
    .map(({ value, describe }) => (describe === "" ? value : `${value}\t${describe}`));
}
