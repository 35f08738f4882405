import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";

/** `neon origin remove`. */
export const originRemoveCommand: Command<{ name: string }> = {
  command: "remove <name>",
  describe: "Forget an origin",
  builder: (yargs) => yargs.positional("name", { type: "string", demandOption: true, describe: "The name" }),
  handler: (args) =>
    callAndPrint(args, "originRemove", { name: args.name }, ({ name }) => `Removed origin ${name}`),
};
