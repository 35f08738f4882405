import { callAndPrintAll } from "../call-and-print.js";
import { formatBytes, formatHead, formatHex, formatTable } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon branch list`. */
export const branchListCommand: Command = {
  command: "list",
  describe: "List the branches",
  handler: (args) =>
    callAndPrintAll(args, "branchList", {}, (branches) => {
      if (branches.length === 0) return "";
      return formatTable(
        ["BRANCH", "HEAD", "SIZE", "TIMELINE"],
        branches.map(({ name, head, bytes, timelineId }) => [
          name,
          formatHead(head),
          formatBytes(bytes),
          formatHex(timelineId),
        ]),
      );
    }),
};
