import { resolve } from "node:path";
import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatHead, formatTransfer } from "../format.js";

/** `neon export`: a branch becomes a data directory. */
export const exportCommand = defineCommand({
  name: "export",
  summary: "Write a branch as a data directory that Postgres starts on",
  arguments: {
    branch: { kind: "branch", describe: "The branch" },
    directory: { kind: "directory", describe: "Where to: absent, or empty" },
  },
  options: {
    "keep-config": {
      describe:
        "Keep the configuration but for what recovery depends on: archive_command, listen_addresses and all",
    },
  },
  run: (args) =>
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
});
