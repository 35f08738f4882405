import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { BranchLogResponse } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { formatLsn } from "../../lsn.js";
import { callAndPrintAll } from "../call-and-print.js";
import { formatBytes, formatTable } from "../format.js";
import type { Command } from "../global-arguments.js";
import { UsageError } from "../usage-error.js";

/** `neon log`: a line for what was appended at once, newest first. */
export const logCommand: Command<{ branch: string; "max-count": string | undefined }> = {
  command: "log <branch>",
  describe: "Show how a branch has grown, newest first",
  builder: (yargs) =>
    yargs
      .positional("branch", { type: "string", demandOption: true, describe: "The branch" })
      .option("max-count", {
        alias: "n",
        type: "string",
        requiresArg: true,
        describe: "At most so many lines",
      }),
  handler: (args) =>
    callAndPrintAll(
      args,
      "branchLog",
      { branch: args.branch, maxCount: parseCount(args["max-count"]) },
      (spans) =>
        formatTable(
          ["WHAT", "FROM", "TO", "FRAMES", "SIZE", "COMMITS", "FIRST COMMIT", "LAST COMMIT"],
          spans.map((span) => [
            span.kind,
            formatLsn(span.startLsn),
            formatLsn(span.endLsn),
            String(span.frames),
            formatBytes(span.bytes),
            String(span.commits),
            formatTime(span.firstCommitAt),
            formatTime(span.lastCommitAt),
          ]),
        ),
    ),
};

function parseCount(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError("-n takes a number from 1 on");
  return BigInt(text);
}

function formatTime(time: BranchLogResponse["firstCommitAt"]): string {
  return time === undefined ? "-" : timestampDate(time).toISOString();
}
