import { callAndPrint } from "../call-and-print.js";
import type { Command } from "../global-arguments.js";

/** `neon origin add`. */
export const originAddCommand: Command<{ name: string; uri: string }> = {
  command: "add <name> <uri>",
  describe: "Give another page server a name",
  builder: (yargs) =>
    yargs.positional("name", { type: "string", demandOption: true, describe: "The name" }).positional("uri", {
      type: "string",
      demandOption: true,
      describe: "postgresql://[user[:password]@]host:port/",
    }),
  handler: (args) =>
    callAndPrint(args, "originAdd", { name: args.name, uri: args.uri }, ({ name }) => `Added origin ${name}`),
};
