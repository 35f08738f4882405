import { callAndPrintAll } from "../call-and-print.js";
import { formatTable } from "../format.js";
import type { Command } from "../global-arguments.js";

/** `neon user list`. */
export const userListCommand: Command = {
  command: "list",
  describe: "List the users",
  handler: (args) =>
    callAndPrintAll(args, "userList", {}, (users) => {
      if (users.length === 0) return "No users";
      return formatTable(
        ["USER", "METHOD"],
        users.map(({ name, method }) => [name, method]),
      );
    }),
};
