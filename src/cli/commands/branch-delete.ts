import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatHead } from "../format.js";

/** `neon branch delete`. */
export const branchDeleteCommand = defineCommand({
  name: "delete",
  summary: "Forget a branch; neon gc frees what no other branch needs",
  arguments: { name: { kind: "branch", describe: "The branch" } },
  run: (args) =>
    callAndPrint(args, "branchDelete", { name: args.name }, ({ name, head, droppedSlots, notes }) =>
      [
        `Deleted ${name}, which was at ${formatHead(head)}`,
        ...droppedSlots.map((slot) => `Dropped the replication slot ${slot}, which kept WAL for it`),
        ...notes,
      ].join("\n"),
    ),
});
