import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatTable } from "../format.js";

/** `neon origin list`. */
export const originListCommand = defineCommand({
  name: "list",
  summary: "List the origins, without their passwords",
  run: (args) =>
    callAndPrintAll(args, "originList", {}, (origins) => {
      if (origins.length === 0) return "No origins";
      return formatTable(
        ["ORIGIN", "URI"],
        origins.map(({ name, uri }) => [name, uri]),
      );
    }),
});
