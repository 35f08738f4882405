import { callAndPrint } from "../call-and-print.js";
import { formatHead } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon branch delete`. */
export const branchDeleteCommand: Command<{ name: string }> = {
  command: "delete <name>",
  describe: "Forget a branch. neon gc frees what no other branch needs",
  builder: (yargs) =>
    yargs.positional("name", { type: "string", demandOption: true, describe: "The branch" }),
  handler: (args) =>
    callAndPrint(
      args,
      "branchDelete",
      { name: args.name },
      ({ name, head }) => `Deleted ${name}, which was at ${formatHead(head)}`,
    ),
};
