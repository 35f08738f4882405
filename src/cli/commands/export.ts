import { resolve } from "node:path";
import { callAndPrint } from "../call-and-print.js";
import { formatHead, formatTransfer } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon export`: a branch becomes a data directory. */
export const exportCommand: Command<{ branch: string; directory: string; "keep-config": boolean }> = {
  command: "export <branch> <directory>",
  describe: "Write a branch as a data directory that Postgres starts on",
  builder: (yargs) =>
    yargs
      .positional("branch", { type: "string", demandOption: true, describe: "The branch" })
      .positional("directory", { type: "string", demandOption: true, describe: "Absent or empty before" })
      .option("keep-config", {
        type: "boolean",
        default: false,
        describe:
          "Keep the configuration but for what recovery depends on: archive_command, listen_addresses and all",
      }),
  handler: (args) =>
    callAndPrint(
      args,
      "performExport",
      // The page server works elsewhere: it is given an absolute path.
      { branch: args.branch, directory: resolve(args.directory), keepConfig: args["keep-config"] },
      ({ branch, directory, head, postgresMajorVersion, bytes, seconds, notes, commands }) =>
        [
          `Exported ${branch} at ${formatHead(head)} to ${directory} for PostgreSQL ${postgresMajorVersion}: ` +
            formatTransfer(bytes, seconds),
          ...notes.map((note) => `note: ${note}`),
          "Start it, wait until it takes writes, and log in:",
          ...commands.map((command) => `  ${command}`),
        ].join("\n"),
    ),
};
