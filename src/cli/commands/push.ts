import { withoutPassword } from "../../server/connection-uri.js";
import { callAndPrint } from "../call-and-print.js";
import { formatCount, formatHead, formatTransfer } from "../format.js";
import type { Command } from "../global-arguments.js";
import { UsageError } from "../usage-error.js";

/** `neon push`: sends a branch to another page server. */
export const pushCommand: Command<{ branch: string; destination: string }> = {
  command: "push <branch> <destination>",
  describe: "Send a branch to another page server",
  builder: (yargs) =>
    yargs
      .positional("branch", { type: "string", demandOption: true, describe: "The branch" })
      .positional("destination", {
        type: "string",
        demandOption: true,
        describe: "An origin, origin:branch, or a URI: postgresql://host:port/",
      }),
  handler: async (args) => {
    const { Decision } = await import("../../../gen/neon/pageserver/v1/session_pb.js");
    const { uri, branch: destinationBranch } = parseDestination(args.destination);
    await callAndPrint(args, "performPush", { branch: args.branch, uri, destinationBranch }, (pushed) => {
      const there = `${pushed.destinationBranch} at ${uri.includes("://") ? withoutPassword(uri) : uri}`;
      const head = formatHead(pushed.head);
      if (pushed.decision === Decision.UP_TO_DATE) return `Up to date: ${there} is at ${head} too`;
      const moved = formatTransfer(pushed.bytes, pushed.seconds);
      return `Pushed ${pushed.branch} to ${there}, now at ${head}: ${formatCount(pushed.frames, "frame")}, ${moved}`;
    });
  },
};

/** Cuts `origin:branch`. A URI is never cut. */
function parseDestination(text: string): { uri: string; branch: string | undefined } {
  const colon = text.includes("://") ? -1 : text.indexOf(":");
  if (colon === -1) return { uri: text, branch: undefined };
  const [uri, branch] = [text.slice(0, colon), text.slice(colon + 1)];
  if (uri === "" || branch === "")
    throw new UsageError("a destination is written as origin or origin:branch");
  return { uri, branch };
}
