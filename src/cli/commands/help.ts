import { defineCommand } from "../command.js";
import { unknownCommand } from "../unknown-command.js";

/** `neon help push` is `neon push --help`. */
export const helpCommand = defineCommand({
  name: "help",
  summary: "Explain the program or a command",
  arguments: {
    command: { repeated: true, kind: "command", describe: "The command: push, or branch create" },
  },
  run: async ({ command: words }) => {
    // The table of the commands holds this one.
    const { COMMANDS, resolveCommand } = await import("../commands.js");
    const { printHelp } = await import("../print-help.js");
    const { named, entry } = resolveCommand(words);
    if (named.length < words.length) {
      const siblings = entry !== undefined && "commands" in entry ? entry.commands : COMMANDS;
      const group = entry !== undefined && "commands" in entry ? entry.name : undefined;
      throw unknownCommand(
        words[named.length] as string,
        siblings.map(({ name }) => name),
        group,
      );
    }
    await printHelp(named, entry);
  },
});
