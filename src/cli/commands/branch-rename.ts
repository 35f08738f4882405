import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon branch rename`. */
export const branchRenameCommand = defineCommand({
  name: "rename",
  summary: "Give a branch another name",
  arguments: { name: { kind: "branch", describe: "The branch" }, "new-name": { describe: "Its new name" } },
  run: (args) =>
    callAndPrint(
      args,
      "branchRename",
      { name: args.name, newName: args["new-name"] },
      ({ name }) => `Renamed ${args.name} to ${name}`,
    ),
});
