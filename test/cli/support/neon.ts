import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";

/** The program as users run it: the bundle. */
export const MAIN = fileURLToPath(new URL("../../../bundle/neon.js", import.meta.url));

/** What came of a command. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
}

/** Runs `neon` in a directory to its end. */
export function neon(cwd: string, ...words: string[]): Promise<Outcome> {
  return spawnNeon(cwd, ...words).outcome;
}

/** Starts `neon` in a directory. */
export function spawnNeon(cwd: string, ...words: string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...words], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const outcome = once(child, "close").then(([status]) => ({
    status: status as number | null,
    stdout,
    stderr,
  }));
  return { child, outcome };
}

/** A directory that goes with the test, and with it a page server that the test left running there. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "neon-cli-"));
  t.teardown(async () => {
    await neon(directory, "stop", "--now");
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A directory with a repository whose page server takes any free port. */
export async function temporaryRepository(t: ExecutionContext): Promise<string> {
  const directory = await temporaryDirectory(t);
  const made = await neon(directory, "init", "--listen", "127.0.0.1:0");
  if (made.status !== 0) throw new Error(made.stderr);
  return directory;
}

/** A server that accepts and never says a word: what a hung Postgres looks like. Resolves `connected` when dialled. */
export async function hungPostgres(t: ExecutionContext): Promise<{ uri: string; connected: Promise<void> }> {
  const server: Server = createServer();
  const connected = once(server, "connection").then(([socket]) => {
    socket.on("error", () => {});
    t.teardown(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { uri: `postgresql://postgres:s3cret@127.0.0.1:${address.port}/`, connected };
}

/**
 * Waits until a command that was started serves the repository. One that asked for it first would serve the other one, and
 * wait for its end.
 */
export async function served(directory: string): Promise<void> {
  while (!existsSync(join(directory, ".neon", "socket"))) await sleep(20);
}
