import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";

/** `neon origin add`. */
export const originAddCommand = defineCommand({
  name: "add",
  summary: "Give another page server a name",
  arguments: {
    name: { describe: "The name" },
    uri: { describe: "postgresql://[user[:password]@]host:port/" },
  },
  run: (args) =>
    callAndPrint(args, "originAdd", { name: args.name, uri: args.uri }, ({ name }) => `Added origin ${name}`),
});
