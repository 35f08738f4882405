/**
 * Reads a command line into a command and what it is given.
 *
 *     neon { global } command { word | option } [ "--" { word } ]
 *
 * Options stand anywhere behind the command, `--name=value` or `--name value`, short ones `-n5`, `-n 5`, `-fn`. Behind `--`
 * every word is an argument.
 */
import { type Command, type Group, isGroup, type Option } from "./command.js";
import { COMMANDS } from "./commands.js";
import { GLOBAL_OPTIONS, PROGRAM_OPTIONS } from "./global-arguments.js";
import { unknownCommand, unknownOption } from "./unknown-command.js";
import { UsageError } from "./usage-error.js";

/** A command line that was understood. */
export interface CommandLine {
  /** The words that name the command or group: `["branch", "list"]`; none for the program itself. */
  readonly named: readonly string[];
  /** Undefined where no command is named. */
  readonly command: Command | undefined;
  /** The words that are arguments. */
  readonly operands: readonly string[];
  /** Values of options by their names; true for flags. */
  readonly options: ReadonlyMap<string, string | true>;
}

type Options = Readonly<Record<string, Option>>;

/** Parses words, without the program's name. Throws UsageError for what no command takes. */
export function parseCommandLine(words: readonly string[]): CommandLine {
  const state = new State();
  for (let next = 0; next < words.length; next++) {
    const word = words[next] as string;
    if (word === "--") {
      for (const operand of words.slice(next + 1)) state.operand(operand);
      break;
    }
    if (word.startsWith("-") && word !== "-") next += state.option(word, words[next + 1]) ? 1 : 0;
    else state.operand(word);
  }
  return state.result();
}

class State {
  #group: Group | undefined;
  #command: Command | undefined;
  readonly #operands: string[] = [];
  readonly #options = new Map<string, string | true>();

  operand(word: string): void {
    if (this.#command !== undefined) return void this.#operands.push(word);
    const entries = this.#group?.commands ?? COMMANDS;
    const entry = entries.find(({ name }) => name === word);
    if (entry === undefined) {
      throw unknownCommand(
        word,
        entries.map(({ name }) => name),
        this.#group?.name,
      );
    }
    if (isGroup(entry)) this.#group = entry;
    else this.#command = entry;
  }

  /** Takes an option. True if the following word is its value. */
  option(word: string, following: string | undefined): boolean {
    return word.startsWith("--") ? this.#long(word.slice(2), following) : this.#short(word, following);
  }

  result(): CommandLine {
    const command = this.#command ?? this.#group?.otherwise;
    const named = [this.#group?.name, command?.name].filter((name) => name !== undefined);
    return { named, command, operands: this.#operands, options: this.#options };
  }

  #long(text: string, following: string | undefined): boolean {
    const end = text.indexOf("=");
    const written = end === -1 ? text : text.slice(0, end);
    const known = this.#known();
    const option = written.length > 1 && Object.hasOwn(known, written) ? known[written] : undefined;
    if (option === undefined) throw unknownOption(`--${written}`, this.#spellings(), this.#path());
    const value = end === -1 ? undefined : text.slice(end + 1);
    if (option.value !== undefined) return this.#value(written, option.value, value, following);
    if (value === "false") this.#options.delete(written);
    else if (value === undefined || value === "true") this.#options.set(written, true);
    else throw this.#misused(`option --${written} takes no value`);
    return false;
  }

  #short(word: string, following: string | undefined): boolean {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] as string;
      const found = Object.entries(this.#known()).find(
        ([name, { short }]) => name === letter || short?.includes(letter),
      );
      // A word with one dash too few is named as a whole: -force, -follow.
      const shown = word.length > 2 ? word : `-${letter}`;
      if (found === undefined) throw unknownOption(shown, this.#spellings(), this.#path());
      const [name, { value }] = found;
      const rest = word.slice(at + 1);
      if (value !== undefined) {
        return this.#value(name, value, rest === "" ? undefined : rest.replace(/^=/, ""), following);
      }
      if (rest.startsWith("=")) throw this.#misused(`option -${letter} takes no value`);
      this.#options.set(name, true);
    }
    return false;
  }

  #value(
    name: string,
    placeholder: string,
    value: string | undefined,
    following: string | undefined,
  ): boolean {
    const taken = value ?? (following?.startsWith("-") && following !== "-" ? undefined : following);
    if (taken === undefined) {
      throw this.#misused(`option ${spell(name)} needs a value: ${spell(name)} ${placeholder}`);
    }
    this.#options.set(name, taken);
    return value === undefined;
  }

  #known(): Options {
    const own =
      this.#command?.options ?? (this.#group === undefined ? PROGRAM_OPTIONS : this.#group.otherwise.options);
    return { ...GLOBAL_OPTIONS, ...own };
  }

  #spellings(): string[] {
    return Object.keys(this.#known()).map(spell);
  }

  #path(): string[] {
    return [this.#group?.name, this.#command?.name].filter((name) => name !== undefined);
  }

  #misused(message: string): UsageError {
    return new UsageError(
      message,
      `\`${["neon", ...this.#path(), "--help"].join(" ")}\` explains the options.`,
    );
  }
}

/** How an option is written: `-C`, `--force`. */
export function spell(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
