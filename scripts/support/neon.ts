import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.js";
import { guard } from "./guard.js";

const PROGRAM = fileURLToPath(new URL("../../bundle/neon.js", import.meta.url));

/** What came of a command. */
export interface NeonOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface RunningNeon {
  readonly child: ChildProcess;
  readonly outcome: Promise<NeonOutcome>;
}

/** Runs `neon` as a user would and returns what it prints. Throws what it says on stderr if it fails. */
export async function neon(directory: string, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await spawnNeon(directory, ...words).outcome;
  if (status !== 0) throw new Error(`neon ${words[0]} failed (${status}):\n${stderr}`);
  return stdout;
}

/** Starts `neon` as a user would. */
export function spawnNeon(directory: string, ...words: string[]): RunningNeon {
  const child = spawn(process.execPath, [PROGRAM, "-C", directory, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const outcome = once(child, "close").then(([status]) => ({ status, stdout, stderr }));
  outcome.catch(() => undefined);
  return { child, outcome };
}

/** A page server in the background. */
export interface PageServerProcess {
  readonly directory: string;
  readonly pid: number;
  readonly uri: string;
  neon(...words: string[]): Promise<string>;
  stop(): Promise<void>;
  /** Ends it as kill -9 does; {@link startPageServer} starts it again. */
  kill(): Promise<void>;
}

/** Makes a repository in `directory`, which is made too if needed, with a free port of its own. */
export async function initRepository(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await neon(directory, "init", "--listen", `127.0.0.1:${await freePort()}`);
}

/**
 * Starts the page server of the repository in `directory`, which is made if it is not there. The server is ended when
 * this process ends.
 */
export async function startPageServer(directory: string): Promise<PageServerProcess> {
  if (!existsSync(join(directory, ".neon"))) await initRepository(directory);
  const { pid, listen } = JSON.parse(await neon(directory, "start", "--json"));
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
    async kill() {
      process.kill(pid, "SIGKILL");
      while (isAlive(pid)) await sleep(10);
      release();
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
