import { callAndPrintAll } from "../call-and-print.js";
import { formatTable } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon origin list`. */
export const originListCommand: Command = {
  command: "list",
  describe: "List the origins, without their passwords",
  handler: (args) =>
    callAndPrintAll(args, "originList", {}, (origins) => {
      if (origins.length === 0) return "No origins";
      return formatTable(
        ["ORIGIN", "URI"],
        origins.map(({ name, uri }) => [name, uri]),
      );
    }),
};
