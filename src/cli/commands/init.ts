import { defineCommand } from "../command.js";
import { print } from "../print.js";

/** `neon init`: makes a repository in the working directory. */
export const initCommand = defineCommand({
  name: "init",
  summary: "Make a repository, .neon, in this directory",
  options: {
    listen: {
      value: "HOST:PORT",
      describe: "Where its page server will listen; 127.0.0.1:6400 if not given",
    },
  },
  run: async (args) => {
    const { initRepository, readConfig } = await import("../../server/config.js");
    const repository = await initRepository(".", { listen: args.listen });
    const { listen } = await readConfig(repository);
    await print(args, { repository, listen }, `Made an empty repository in ${repository}`);
  },
});
