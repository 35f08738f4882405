import { spawn } from "node:child_process";

/** Runs a program to its end. Throws what it says on stderr if it fails. */
export function runProgram(program: string, words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.once("error", reject);
    child.once("close", (status) => {
      if (status === 0) resolve();
      else reject(new Error(`${program} failed (${status}):\n${errors}`));
    });
  });
}
