import { formatServer } from "../format-server.js";
import type { Command } from "../global-arguments.js";
import { print } from "../print.js";

/** `neon status`: the page server of this repository, or exit status 1. */
export const statusCommand: Command = {
  command: "status",
  describe: "Describe the page server, if it is running",
  handler: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { requireServer } = await import("../running-server.js");
    const server = await requireServer(await findRepository("."));
    await print(args, server, `Running: ${formatServer(server)}`);
  },
};
