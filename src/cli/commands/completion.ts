import { defineCommand } from "../command.js";
import { completionScript, SHELLS } from "../completion-script.js";
import { writeTo } from "../print.js";
import { UsageError } from "../usage-error.js";

/** `neon completion`. */
export const completionCommand = defineCommand({
  name: "completion",
  summary: "Print a script that makes a shell complete commands, options, branches and origins",
  arguments: { shell: { choices: SHELLS, describe: `${SHELLS.join(", ")}: eval "$(neon completion bash)"` } },
  run: async (args) => {
    const shell = SHELLS.find((name) => name === args.shell);
    if (shell === undefined) {
      throw new UsageError(
        `there is no completion for the shell ${args.shell}`,
        `There is one for ${SHELLS.join(", ")}.`,
      );
    }
    return writeTo(process.stdout, completionScript(shell));
  },
});
