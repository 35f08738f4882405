import type { Command } from "../global-arguments.js";
import { print } from "../print.js";

/** `neon init`: makes a repository in the working directory. */
export const initCommand: Command<{ listen: string | undefined }> = {
  command: "init",
  describe: "Make a repository, .neon, in this directory",
  builder: (yargs) =>
    yargs.option("listen", {
      type: "string",
      requiresArg: true,
      describe: "Where its page server will listen (host:port)",
      defaultDescription: "127.0.0.1:6400",
    }),
  handler: async (args) => {
    const { initRepository, readConfig } = await import("../../server/config.js");
    const repository = await initRepository(".", { listen: args.listen });
    const { listen } = await readConfig(repository);
    await print(args, { repository, listen }, `Made an empty repository in ${repository}`);
  },
};
