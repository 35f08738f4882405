import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";

/** strace on a running process and its threads. */
export interface Strace {
  /** Lets the process go on without it. Returns what was traced, a line an event. */
  detach(): Promise<string[]>;
}

/** Attaches strace, from the program `tool`. Resolves once the process is traced. */
export async function strace(
  t: ExecutionContext,
  tool: string,
  pid: number,
  ...options: string[]
): Promise<Strace> {
  const output = join(tmpdir(), `neon-strace-${process.pid}-${pid}-${Date.now()}`);
  const child = spawn(tool, ["-f", "-o", output, ...options, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.teardown(async () => {
    child.kill("SIGKILL");
    await rm(output, { force: true });
  });
  await attached(child);
  return {
    detach: async () => {
      const ended = once(child, "exit");
      child.kill("SIGINT");
      await ended;
      return (await readFile(output, "utf8")).split("\n");
    },
  };
}

async function attached(child: ChildProcess): Promise<void> {
  let text = "";
  for await (const chunk of child.stderr as AsyncIterable<Buffer>) {
    text += chunk;
    if (/ attached\b/.test(text)) {
      child.stderr?.resume();
      return;
    }
  }
  throw new Error(`strace did not attach: ${text}`);
}
