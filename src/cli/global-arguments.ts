import type { CommandModule } from "yargs";

/** What every command can be given. `-C` is done before a command runs. */
export interface GlobalArguments {
  /** Results and errors as JSON, no progress. */
  readonly json: boolean;
}

/** A command of the command line with its own arguments. */
export type Command<Arguments = object> = CommandModule<GlobalArguments, GlobalArguments & Arguments>;
