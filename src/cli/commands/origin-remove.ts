import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon origin remove`. */
export const originRemoveCommand = defineCommand({
  name: "remove",
  summary: "Forget an origin",
  arguments: { name: { kind: "origin", describe: "The name" } },
  run: (args) =>
    callAndPrint(args, "originRemove", { name: args.name }, ({ name }) => `Removed origin ${name}`),
});
