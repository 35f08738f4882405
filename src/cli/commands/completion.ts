import { defineCommand } from "../command.js";

export const completionCommand = defineCommand({ name: "completion", summary: "x", run: async () => {} });
