import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";
import { type TransferArguments, transferFields, transferOptions } from "../transfer-options.js";
import { UsageError } from "../usage-error.js";

/** `neon push`: sends a branch to another page server. */
export const pushCommand: Command<
  { branch: string; destination: string; follow: boolean } & TransferArguments
> = {
  command: "push <branch> <destination>",
  describe: "Send a branch to another page server",
  builder: (yargs) =>
    transferOptions(yargs, "the branch there")
      .positional("branch", { type: "string", demandOption: true, describe: "The branch" })
      .positional("destination", {
        type: "string",
        demandOption: true,
        describe: "An origin, origin:branch, or a URI: postgresql://host:port/branch",
      })
      .option("follow", {
        type: "boolean",
        default: false,
        describe: "Go on: send what the branch grows by, until Ctrl-C",
      }),
  handler: async (args) => {
    const { describeTransfer } = await import("../describe-transfer.js");
    const { describeRemoteBranch, parseRemoteBranch } = await import("../remote-branch.js");
    if (args.follow && args.dryRun)
      throw new UsageError("--dry-run moves nothing that --follow could follow");
    const { uri, branch: destinationBranch } = await parseRemoteBranch(args.destination);
    const request = {
      branch: args.branch,
      uri,
      destinationBranch,
      follow: args.follow || undefined,
      ...transferFields(args),
    };
    await callAndPrint(args, "performPush", request, (pushed) => {
      const there = describeRemoteBranch(pushed.destinationBranch, uri);
      return describeTransfer(pushed, `pushed ${pushed.branch} to ${there}`, there);
    });
  },
};
