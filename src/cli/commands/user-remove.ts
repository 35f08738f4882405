import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";

/** `neon user remove`. */
export const userRemoveCommand: Command<{ name: string }> = {
  command: "remove <name>",
  describe: "Remove a user; without any, everybody on this machine is let in",
  builder: (yargs) => yargs.positional("name", { type: "string", demandOption: true, describe: "The name" }),
  handler: (args) =>
    callAndPrint(args, "userRemove", { name: args.name }, ({ name }) => `Removed user ${name}`),
};
