import { defineCommand } from "../command.js";
import { formatServer } from "../format-server.js";
import { print } from "../print.js";

/** `neon status`: the page server of this repository, or exit status 1. */
export const statusCommand = defineCommand({
  name: "status",
  summary: "Describe the page server, if it is running",
  run: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { requireServer } = await import("../running-server.js");
    const server = await requireServer(await findRepository("."));
    await print(args, server, `Running: ${formatServer(server)}`);
  },
});
