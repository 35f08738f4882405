import { defineCommand } from "../command.js";
import { print } from "../print.js";
import { sayIfSlow } from "../say-if-slow.js";

/** `neon stop`: ends the page server of this repository. */
export const stopCommand = defineCommand({
  name: "stop",
  summary: "Stop the page server, after the commands that it runs",
  options: { now: { describe: "Cancel running commands" } },
  run: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { requireServer } = await import("../running-server.js");
    const { endProcess } = await import("../end-process.js");
    const { pid, repository } = await requireServer(await findRepository("."));
    const ended = endProcess(pid, args.now ? "SIGINT" : "SIGTERM");
    await sayIfSlow(args, "waiting for running commands; neon stop --now cancels them", ended);
    await print(args, { stopped: true, pid, repository }, `Stopped (pid ${pid})`);
  },
});
