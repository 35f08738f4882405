import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";

/** `neon branch rename`. */
export const branchRenameCommand: Command<{ name: string; "new-name": string }> = {
  command: "rename <name> <new-name>",
  describe: "Give a branch another name",
  builder: (yargs) =>
    yargs
      .positional("name", { type: "string", demandOption: true, describe: "The branch" })
      .positional("new-name", { type: "string", demandOption: true, describe: "Its new name" }),
  handler: (args) =>
    callAndPrint(
      args,
      "branchRename",
      { name: args.name, newName: args["new-name"] },
      ({ name }) => `Renamed ${args.name} to ${name}`,
    ),
};
