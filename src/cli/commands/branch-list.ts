import { callAndPrintAll } from "../call-and-print.js";
import { formatBytes, formatHead, formatHex, formatTable } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon branch list`. */
export const branchListCommand: Command<{ origin: string | undefined }> = {
  command: "list [origin]",
  describe: "List the branches, here or at another page server",
  builder: (yargs) =>
    yargs.positional("origin", { type: "string", describe: "An origin or a URI: postgresql://host:port/" }),
  handler: (args) =>
    callAndPrintAll(args, "branchList", { uri: args.origin }, (branches) => {
      if (branches.length === 0) return "No branches";
      return formatTable(
        ["BRANCH", "HEAD", "SIZE", "OWN SIZE", "PARENT", "TIMELINE"],
        branches.map(({ name, head, bytes, ownBytes, parent, timelineId }) => [
          name,
          formatHead(head),
          formatBytes(bytes),
          formatBytes(ownBytes),
          parent ?? "-",
          formatHex(timelineId),
        ]),
      );
    }),
};
