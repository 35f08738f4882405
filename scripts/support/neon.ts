import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.js";
import { guard } from "./guard.js";

const PROGRAM = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** Runs `neon` as a user would and returns what it prints. Throws what it says on stderr if it fails. */
export function neon(directory: string, ...words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, "-C", directory, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (text) => {
      output += text;
    });
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.once("error", reject);
    child.once("close", (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(`neon ${words[0]} failed (${status}):\n${errors}`));
    });
  });
}

/** A page server in the background. */
export interface PageServerProcess {
  readonly directory: string;
  readonly pid: number;
  readonly uri: string;
  neon(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Makes a repository in `directory` and starts its page server, which is ended when this process ends. */
export async function startPageServer(directory: string): Promise<PageServerProcess> {
  const listen = `127.0.0.1:${await freePort()}`;
  await neon(directory, "init", "--listen", listen);
  const { pid } = JSON.parse(await neon(directory, "start", "--json"));
  const release = guard('kill -INT "$1"; sleep 1; kill -KILL "$1"', String(pid));
  return {
    directory,
    pid,
    uri: `postgresql://${listen}/`,
    neon: (...words) => neon(directory, ...words),
    async stop() {
      await neon(directory, "stop");
      release();
    },
  };
}
