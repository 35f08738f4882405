import type { SourceSlotDropResponse } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon slot drop`. */
export const slotDropCommand = defineCommand({
  name: "drop",
  summary: "Drop a replication slot on the imported server that it was made on",
  arguments: { name: { describe: "The slot" } },
  options: {
    forget: { describe: "Only take it off the list: the server is gone, or the slot was dropped there" },
  },
  run: ({ name, forget, ...args }) => callAndPrint(args, "sourceSlotDrop", { name, forget }, describeDrop),
});

function describeDrop({ name, dropped, gone, forgotten }: SourceSlotDropResponse): string {
  return [
    ...dropped.map((address) => `Dropped ${name} at ${address}`),
    ...gone.map((address) => `There was no ${name} at ${address}; it is off the list`),
    ...forgotten.map((address) => `Forgot ${name}; if it is still at ${address}, it keeps WAL there`),
  ].join("\n");
}
