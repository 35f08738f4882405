import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { describeLog } from "../describe-log.js";
import { UsageError } from "../usage-error.js";

/** Lines on a terminal, unless somebody says how many. A branch that was followed for a day has 170,000. */
const SCREENFUL = 40;

/** `neon log`: a line for what was appended at once, newest first. */
export const logCommand = defineCommand({
  name: "log",
  summary: "Show how a branch has grown, newest first",
  arguments: { branch: { kind: "branch", describe: "The branch" } },
  options: {
    "max-count": {
      short: ["n"],
      value: "N",
      describe: "At most so many lines; all of them, or 40 on a terminal, if not given",
    },
  },
  run: (args) =>
    callAndPrintAll(
      args,
      "branchLog",
      { branch: args.branch, maxCount: parseCount(args["max-count"]) },
      (spans) => {
        const limited = args["max-count"] === undefined && process.stdout.isTTY === true;
        return describeLog(spans, limited ? SCREENFUL : spans.length);
      },
    ),
});

function parseCount(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError("-n takes a number from 1 on");
  return BigInt(text);
}
