import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatTable } from "../format.js";

/** `neon user list`. */
export const userListCommand = defineCommand({
  name: "list",
  summary: "List the users",
  run: (args) =>
    callAndPrintAll(args, "userList", {}, (users) => {
      if (users.length === 0) return "No users";
      return formatTable(
        ["USER", "METHOD"],
        users.map(({ name, method }) => [name, method]),
      );
    }),
});
