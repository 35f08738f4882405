import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAIN, type Outcome } from "../../cli/support/neon.js";

/** A call of the system that is to fail. */
export interface Fault {
  readonly call: string;
  readonly error: "EIO" | "ENOSPC";
  /** Which of a thread's calls, from 1. */
  readonly when: number;
}

/** A `neon` that runs under strace. */
export interface Traced {
  readonly outcome: Promise<Outcome>;
  /** What it has written to stdout so far. */
  stdout(): string;
  kill(): void;
  /** What strace has seen, a line a call, once it has ended. */
  calls(): Promise<string[]>;
}

/** What writes to a disk or changes names on it. */
export const CALLS = [
  "fsync",
  "fdatasync",
  "write",
  "pwrite64",
  "writev",
  "rename",
  "unlink",
  "ftruncate",
  "mkdir",
];

/** Runs `neon` in a directory under strace, with a fault if one is given. Its file work is done by one thread, in order. */
export function tracedNeon(strace: string, cwd: string, words: readonly string[], fault?: Fault): Traced {
  const log = join(tmpdir(), `neon-inject-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const { call, error, when } = fault ?? {};
  const child = spawn(
    strace,
    [
      ...["-f", "--seccomp-bpf", "-qq", "-y", "-s", "8", "-o", log, "-e", `trace=${CALLS.join()}`],
      ...(fault === undefined ? [] : ["-e", `inject=${call}:error=${error}:when=${when}`]),
      ...[process.execPath, MAIN, ...words],
    ],
    { cwd, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, UV_THREADPOOL_SIZE: "1" } },
  );
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
  });
  const outcome = once(child, "close").then(([status]) => ({ status, ...output }));
  return {
    outcome,
    stdout: () => output.stdout,
    kill: () => child.kill("SIGKILL"),
    calls: async () => {
      await outcome;
      const text = await readFile(log, "utf8");
      await rm(log, { force: true });
      return text.split("\n");
    },
  };
}

/** Numbers of the calls, counted for each thread, that had to do with what lies in `directory`. */
export function callsWithin(lines: readonly string[], directory: string): Map<string, number[]> {
  const counts = new Map<string, number>();
  const found = new Map<string, Set<number>>(CALLS.map((call) => [call, new Set()]));
  for (const line of lines) {
    const match = /^(\d+) +(\w+)\(/.exec(line);
    if (match === null) continue;
    const key = `${match[1]} ${match[2]}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    if (line.includes(directory)) found.get(match[2])?.add(count);
  }
  return new Map(Array.from(found, ([call, numbers]) => [call, [...numbers].sort((a, b) => a - b)]));
}
