import { lostTerminal, watchOutput } from "./print.js";
import { exitStatus, reportError } from "./report-error.js";

// The heart of the program is imported only after the cheap things, so that an error while it loads is reported too.
watchOutput((error) => void leave(error));
process.on("uncaughtException", (error) => void leave(error));
process.on("unhandledRejection", (error) => void leave(error));

let leaving = false;

void main();

async function main(): Promise<void> {
  try {
    const { run } = await import("./program.js");
    await run(process.argv.slice(2));
    exit();
  } catch (error) {
    await leave(error);
  }
}

/** Reports an error and ends the process. What fails meanwhile is not reported: it would be for ever. */
async function leave(error: unknown): Promise<void> {
  if (leaving) return;
  leaving = true;
  try {
    await reportError(error, wantsJson(process.argv));
  } finally {
    exit(exitStatus(error));
  }
}

function exit(status?: number): never {
  // Node aborts where it cannot set a terminal back that is gone. This signal ends it without trying.
  if (lostTerminal()) {
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
  }
  // Given undefined it would forget what process.exitCode says.
  process.exit(status ?? process.exitCode);
}

function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const options = end === -1 ? words : words.slice(0, end);
  return options.includes("--json") || options.includes("--json=true");
}
