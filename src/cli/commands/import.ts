import { callAndPrint } from "../call-and-print.js";
import { formatBytes, formatCount, formatHead, formatTransfer } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon import`: a running stock Postgres becomes a branch. */
export const importCommand: Command<{ branch: string; uri: string }> = {
  command: "import <branch> <uri>",
  describe: "Make a branch of a running Postgres",
  builder: (yargs) =>
    yargs
      .positional("branch", { type: "string", demandOption: true, describe: "The branch to make" })
      .positional("uri", {
        type: "string",
        demandOption: true,
        describe: "The Postgres, for a role with REPLICATION: postgresql://user@host:port/",
      }),
  handler: (args) =>
    callAndPrint(
      args,
      "performImport",
      { branch: args.branch, uri: args.uri },
      ({ branch, head, frames, bytes, sourceBytes, seconds }) =>
        `Imported ${branch} at ${formatHead(head)}: ${formatTransfer(sourceBytes, seconds)}, ` +
        `kept as ${formatCount(frames, "frame")} of ${formatBytes(bytes)}`,
    ),
};
