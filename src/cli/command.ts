/**
 * What a command of the command line is: data, of which the parser, `--help`, the man page and shell completion are made.
 */
import type { GlobalArguments } from "./global-arguments.js";

/** What a shell can complete a word with. */
export type Kind = "branch" | "origin" | "user" | "directory" | "command";

/** A word that a command takes in its place. */
export interface Argument {
  readonly describe: string;
  readonly optional?: boolean;
  /** Takes all words that are left; the last argument only. */
  readonly repeated?: boolean;
  readonly kind?: Kind;
  /** All values that it can have. */
  readonly choices?: readonly string[];
}

/** An option: a flag, unless it has a value. A name of one letter is written with one dash. */
export interface Option {
  readonly describe: string;
  /** Further names. */
  readonly short?: readonly string[];
  /** What stands for the value in the help: `DIR`. */
  readonly value?: string;
  readonly kind?: Kind;
}

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** One line, in the imperative, without a full stop. */
  readonly summary: string;
  readonly arguments: Readonly<Record<string, Argument>>;
  readonly options: Readonly<Record<string, Option>>;
  /** A paragraph below the options. */
  readonly notes: string | undefined;
  run(args: never): Promise<void>;
}

/** Commands that share their first word. */
export interface Group {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
  /** The one that is meant where none is named. */
  readonly otherwise: Command;
}

/** What is given to a command for these arguments and options, by their names as written. */
export type Given<A extends Record<string, Argument>, O extends Record<string, Option>> = {
  readonly [N in keyof A]: A[N] extends { readonly repeated: true }
    ? readonly string[]
    : A[N] extends { readonly optional: true }
      ? string | undefined
      : string;
} & {
  readonly [N in keyof O]: O[N] extends { readonly value: string } ? string | undefined : boolean;
} & GlobalArguments;

/** Makes a command whose `run` knows what it is given. */
export function defineCommand<
  const A extends Record<string, Argument> = Record<never, never>,
  const O extends Record<string, Option> = Record<never, never>,
>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly arguments?: A;
  readonly options?: O;
  readonly notes?: string;
  run(args: Given<A, O>): Promise<void>;
}): Command {
  const { name, summary, notes, run } = definition;
  return {
    name,
    summary,
    notes,
    run,
    arguments: definition.arguments ?? {},
    options: definition.options ?? {},
  };
}

/** Whether it is several commands. */
export function isGroup(entry: Command | Group): entry is Group {
  return "commands" in entry;
}

/** Its summary as a sentence. */
export function sentence({ summary }: Command | Group): string {
  return /[?!]$/.test(summary) ? summary : `${summary}.`;
}
