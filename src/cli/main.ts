#!/usr/bin/env node
import { ignoreClosedPipes } from "./print.js";
import { exitStatus, reportError } from "./report-error.js";

// The heart of the program is imported only after the cheap things, so that an error while it loads is reported too.
ignoreClosedPipes();
process.on("uncaughtException", (error) => void leave(error));
process.on("unhandledRejection", (error) => void leave(error));

try {
  const { run } = await import("./program.js");
  await run(process.argv.slice(2));
  process.exit();
} catch (error) {
  await leave(error);
}

async function leave(error: unknown): Promise<never> {
  await reportError(error, wantsJson(process.argv));
  process.exit(exitStatus(error));
}

function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const options = end === -1 ? words : words.slice(0, end);
  return options.includes("--json") || options.includes("--json=true");
}
