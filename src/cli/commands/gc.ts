import { callAndPrint } from "../call-and-print.js";
import { formatBytes, formatCount } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon gc`. */
export const gcCommand: Command<{ all: boolean }> = {
  command: "gc",
  describe: "Free what no branch reaches",
  builder: (yargs) =>
    yargs.option("all", {
      type: "boolean",
      default: false,
      describe: "Also what broken-off pushes and pulls left for the next attempt",
    }),
  handler: (args) =>
    callAndPrint(
      args,
      "collectGarbage",
      args.all ? { all: true } : {},
      ({ segments, bytes }) => `Freed ${formatBytes(bytes)} in ${formatCount(segments, "segment")}`,
    ),
};
