import type { Json } from "../../server/command/message-json.js";
import { defineCommand } from "../command.js";
import { formatServer } from "../format-server.js";
import { print } from "../print.js";

/** `neon status`: the page server of this repository and the slots that it has made elsewhere, or exit status 1. */
export const statusCommand = defineCommand({
  name: "status",
  summary: "Describe the page server, if it is running, and its slots on imported servers",
  run: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { listSlots, requireServer } = await import("../running-server.js");
    const { describeSlots } = await import("../describe-slots.js");
    const { messageJson } = await import("../../server/command/message-json.js");
    const repository = await findRepository(".");
    const server = await requireServer(repository);
    const slots = await listSlots(repository);
    const text = `Running: ${formatServer(server)}`;
    const json = { ...(messageJson(server) as { [key: string]: Json }), slots: slots.map(messageJson) };
    await print(args, json, slots.length === 0 ? text : `${text}\n\n${describeSlots(slots)}`);
  },
});
