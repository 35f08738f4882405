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
        describe: "Keep settings that name things of the source's host, such as archive_command",
      }),
  handler: (args) =>
    callAndPrint(
      args,
      "performExport",
      // The page server works elsewhere: it is given an absolute path.
      { branch: args.branch, directory: resolve(args.directory), keepConfig: args["keep-config"] },
      ({ branch, directory, head, postgresMajorVersion, bytes, seconds, notes }) =>
        [
          `Exported ${branch} at ${formatHead(head)} to ${directory} for PostgreSQL ${postgresMajorVersion}: ` +
            formatTransfer(bytes, seconds),
          ...notes.map((note) => `note: ${note}`),
        ].join("\n"),
    ),
};
