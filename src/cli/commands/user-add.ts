import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { readNewPassword } from "../read-new-password.js";

/** `neon user add`. The password stays in this process: what travels, and is stored, is its verifier. */
export const userAddCommand = defineCommand({
  name: "add",
  summary: "Let a user in with a password, or change it; asked for, or the first line of stdin",
  arguments: { name: { describe: "The name" } },
  run: async (args) => {
    const [{ findRepository }, { assertUserName }, { createVerifier }] = await Promise.all([
      import("../../server/config.js"),
      import("../../server/users.js"),
      import("../../pgwire/scram/scram-verifier.js"),
    ]);
    // Nobody shall type a password twice to be told then that the command cannot be done.
    findRepository(".");
    assertUserName(args.name);
    const verifier = await createVerifier(await readNewPassword(args.name));
    await callAndPrint(
      args,
      "userAdd",
      { name: args.name, verifier },
      ({ name }) => `User ${name} has a password`,
    );
  },
});
