import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon slot list`. */
export const slotListCommand = defineCommand({
  name: "list",
  summary: "List the replication slots on imported servers, and how much WAL they keep there",
  run: async (args) => {
    const { describeSlots } = await import("../describe-slots.js");
    await callAndPrintAll(args, "sourceSlotList", {}, (slots) =>
      slots.length === 0 ? "No slots" : describeSlots(slots),
    );
  },
});
