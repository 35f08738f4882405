import { parseLsn } from "../../lsn.js";
import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatHead } from "../format.js";

/** `neon branch create`. */
export const branchCreateCommand = defineCommand({
  name: "create",
  summary: "Create a branch of another one; no data is copied",
  arguments: {
    name: { describe: "The branch to create" },
    source: { kind: "branch", describe: "The other one, or an earlier state of it: branch@LSN" },
  },
  run: (args) =>
    callAndPrint(
      args,
      "branchCreate",
      { name: args.name, ...parseSource(args.source) },
      ({ name, head }) => `Created ${name} at ${formatHead(head)}`,
    ),
});

/** Cuts `branch@LSN`. A branch's name may hold an @, but what follows then is no LSN. */
function parseSource(text: string): { source: string; lsn?: bigint } {
  const [, source, lsn] = /^(.+)@([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/.exec(text) ?? [];
  return source === undefined || lsn === undefined ? { source: text } : { source, lsn: parseLsn(lsn) };
}
