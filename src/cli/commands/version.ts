import { VERSION } from "../../version.js";
import { defineCommand } from "../command.js";
import { print } from "../print.js";

/** `neon version`. */
export const versionCommand = defineCommand({
  name: "version",
  summary: "Print the version",
  run: (args) => print(args, { version: VERSION }, VERSION),
});
