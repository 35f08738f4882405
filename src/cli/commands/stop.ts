import type { Command } from "../global-arguments.js";
import { print } from "../print.js";
import { sayIfSlow } from "../say-if-slow.js";

/** `neon stop`: ends the page server of this repository. */
export const stopCommand: Command<{ now: boolean }> = {
  command: "stop",
  describe: "Stop the page server, after the commands that it runs",
  builder: (yargs) =>
    yargs.option("now", { type: "boolean", default: false, describe: "Cancel running commands" }),
  handler: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { requireServer } = await import("../running-server.js");
    const { endProcess } = await import("../end-process.js");
    const { pid, repository } = await requireServer(await findRepository("."));
    const ended = endProcess(pid, args.now ? "SIGINT" : "SIGTERM");
    await sayIfSlow(args, "waiting for running commands; neon stop --now cancels them", ended);
    await print(args, { stopped: true, pid, repository }, `Stopped (pid ${pid})`);
  },
};
