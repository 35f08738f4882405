import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon user remove`. */
export const userRemoveCommand = defineCommand({
  name: "remove",
  summary: "Remove a user; without any, everybody on this machine is let in",
  arguments: { name: { kind: "user", describe: "The name" } },
  run: (args) => callAndPrint(args, "userRemove", { name: args.name }, ({ name }) => `Removed user ${name}`),
});
