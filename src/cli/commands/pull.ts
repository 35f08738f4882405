import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { transferFields, transferOptions, WHO_CONNECTS } from "../transfer-options.js";

/** `neon pull`: fetches a branch from another page server. */
export const pullCommand = defineCommand({
  name: "pull",
  summary: "Fetch a branch from another page server",
  arguments: {
    branch: { kind: "branch", describe: "The branch here" },
    source: { kind: "origin", describe: "An origin, origin:branch, or a URI: postgresql://host:port/branch" },
  },
  options: { ...transferOptions("the branch here") },
  notes: WHO_CONNECTS,
  run: async (args) => {
    const { describeTransfer } = await import("../describe-transfer.js");
    const { describeRemoteBranch, parseRemoteBranch } = await import("../remote-branch.js");
    const { uri, branch: sourceBranch } = await parseRemoteBranch(args.source);
    const request = { branch: args.branch, uri, sourceBranch, ...transferFields(args) };
    await callAndPrint(args, "performPull", request, (pulled) => {
      const there = describeRemoteBranch(pulled.sourceBranch, uri);
      return describeTransfer(pulled, `pulled ${pulled.branch} from ${there}`, pulled.branch);
    });
  },
});
