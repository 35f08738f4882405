import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatHead, formatTable } from "../format.js";

/** `neon branch list`. */
export const branchListCommand = defineCommand({
  name: "list",
  summary: "List the branches, here or at another page server",
  arguments: {
    origin: { optional: true, kind: "origin", describe: "An origin or a URI: postgresql://host:port/" },
  },
  run: (args) =>
    callAndPrintAll(args, "branchList", { uri: args.origin }, (branches) => {
      if (branches.length === 0) return "No branches";
      return formatTable(
        ["BRANCH", "HEAD", "SIZE", "OWN SIZE", "PARENT"],
        branches.map(({ name, head, bytes, ownBytes, parent }) => [
          name,
          formatHead(head),
          formatBytes(bytes),
          formatBytes(ownBytes),
          parent ?? "-",
        ]),
      );
    }),
});
