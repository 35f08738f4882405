import { NeonError } from "../../errors.js";
import { defineCommand } from "../command.js";
import { formatServer } from "../format-server.js";
import type { GlobalArguments } from "../global-arguments.js";
import { print } from "../print.js";

/** `neon start`: the page server of this repository, in the background. */
export const startCommand = defineCommand({
  name: "start",
  summary: "Start the page server, in the background; its log is .neon/log",
  options: { foreground: { describe: "Stay, until a signal ends it" } },
  run: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const { findHolder, requireServer } = await import("../running-server.js");
    const { startInBackground } = await import("../start-in-background.js");
    const repository = await findRepository(".");
    const holder = await findHolder(repository);
    if (holder?.listen !== undefined) {
      throw new NeonError(
        "object_in_use",
        `a page server is already running (pid ${holder.pid}, ${holder.listen})`,
        {
          hint: "neon status describes it, neon stop ends it.",
        },
      );
    }
    if (args.foreground) return inForeground(repository, args);
    const server = await startInBackground(repository, () => requireServer(repository));
    await print(args, server, `Started: ${formatServer(server)}`);
  },
});

async function inForeground(repository: string, args: GlobalArguments): Promise<void> {
  const { requireServer } = await import("../running-server.js");
  const { serve } = await import("../serve.js");
  const { reportStart } = await import("../start-in-background.js");
  try {
    await serve(repository, async () => {
      if (await reportStart({ ready: true })) return;
      const server = await requireServer(repository);
      await print(args, server, `Started: ${formatServer(server)}`);
    });
  } catch (error) {
    const { code, message, detail, hint } = NeonError.from(error);
    await reportStart({ ready: false, error: { code, message, detail, hint } });
    throw error;
  }
}
