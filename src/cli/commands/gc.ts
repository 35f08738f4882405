import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatCount } from "../format.js";

/** `neon gc`. */
export const gcCommand = defineCommand({
  name: "gc",
  summary: "Free what no branch reaches",
  options: {
    all: { describe: "Also what broken-off pushes and pulls left for the next attempt" },
    "no-branches": { describe: "Free everything of a repository that is to have no branch" },
  },
  run: (args) =>
    callAndPrint(
      args,
      "collectGarbage",
      { ...(args.all && { all: true }), ...(args["no-branches"] && { noBranches: true }) },
      ({ segments, bytes }) => `Freed ${formatBytes(bytes)} in ${formatCount(segments, "segment")}`,
    ),
});
