import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { transferFields, transferOptions, WHO_CONNECTS } from "../transfer-options.js";
import { UsageError } from "../usage-error.js";

/** `neon push`: sends a branch to another page server. */
export const pushCommand = defineCommand({
  name: "push",
  summary: "Send a branch to another page server",
  arguments: {
    branch: { kind: "branch", describe: "The branch" },
    destination: {
      kind: "origin",
      describe: "An origin, origin:branch, or a URI: postgresql://host:port/branch",
    },
  },
  options: {
    ...transferOptions("the branch there"),
    follow: { describe: "Go on: send what the branch grows by, until Ctrl-C" },
  },
  notes: WHO_CONNECTS,
  run: async (args) => {
    const { describeTransfer } = await import("../describe-transfer.js");
    const { describeRemoteBranch, parseRemoteBranch } = await import("../remote-branch.js");
    if (args.follow && args["dry-run"])
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
});
