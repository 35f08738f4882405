import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";
import { type TransferArguments, transferFields, transferOptions } from "../transfer-options.js";

/** `neon pull`: fetches a branch from another page server. */
export const pullCommand: Command<{ branch: string; source: string } & TransferArguments> = {
  command: "pull <branch> <source>",
  describe: "Fetch a branch from another page server",
  builder: (yargs) =>
    transferOptions(yargs, "the branch here")
      .positional("branch", { type: "string", demandOption: true, describe: "The branch here" })
      .positional("source", {
        type: "string",
        demandOption: true,
        describe: "An origin, origin:branch, or a URI: postgresql://host:port/branch",
      }),
  handler: async (args) => {
    const { describeTransfer } = await import("../describe-transfer.js");
    const { describeRemoteBranch, parseRemoteBranch } = await import("../remote-branch.js");
    const { uri, branch: sourceBranch } = await parseRemoteBranch(args.source);
    const request = { branch: args.branch, uri, sourceBranch, ...transferFields(args) };
    await callAndPrint(args, "performPull", request, (pulled) => {
      const there = describeRemoteBranch(pulled.sourceBranch, uri);
      return describeTransfer(pulled, `pulled ${pulled.branch} from ${there}`, pulled.branch);
    });
  },
};
