import type { Option } from "./command.js";

/** What every command is given. `-C` is done before a command runs. */
export interface GlobalArguments {
  /** Results and errors as JSON, no progress. */
  readonly json: boolean;
}

/** The options of every command. */
export const GLOBAL_OPTIONS = {
  C: {
    value: "DIR",
    kind: "directory",
    describe: "Run as if started in this directory",
  },
  json: { describe: "Print results and errors as JSON" },
  help: { short: ["h"], describe: "Show help" },
} as const satisfies Record<string, Option>;

/** The options of `neon` itself. */
export const PROGRAM_OPTIONS = {
  version: { short: ["V", "v"], describe: "Print the version" },
} as const satisfies Record<string, Option>;
