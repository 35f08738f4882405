import { parseLsn } from "../../lsn.js";
import { callAndPrint } from "../call-and-print.js";
import { formatHead } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon branch create`. */
export const branchCreateCommand: Command<{ name: string; source: string }> = {
  command: "create <name> <source>",
  describe: "Create a branch of another one. No data is copied",
  builder: (yargs) =>
    yargs
      .positional("name", { type: "string", demandOption: true, describe: "The branch to create" })
      .positional("source", {
        type: "string",
        demandOption: true,
        describe: "The other one, or another one's earlier state: branch@LSN",
      }),
  handler: (args) =>
    callAndPrint(
      args,
      "branchCreate",
      { name: args.name, ...parseSource(args.source) },
      ({ name, head }) => `Created ${name} at ${formatHead(head)}`,
    ),
};

/** Cuts `branch@LSN`. A branch's name may hold an @, but what follows then is no LSN. */
function parseSource(text: string): { source: string; lsn?: bigint } {
  const [, source, lsn] = /^(.+)@([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/.exec(text) ?? [];
  return source === undefined || lsn === undefined ? { source: text } : { source, lsn: parseLsn(lsn) };
}
