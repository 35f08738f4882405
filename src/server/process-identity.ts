import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, so that another one can find out whether it lives. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, as the kernel counts: a number that is given out again is another process. */
  readonly started: string;
  /** The namespace in which `pid` is its number. */
  readonly pidNamespace: string;
  /** One run of one kernel. */
  readonly boot: string;
  /** For people. */
  readonly host: string;
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    started: startOf("self") ?? "",
    pidNamespace: attempt(() => readlinkSync("/proc/self/ns/pid")) ?? "",
    // Where the kernel does not say, the host's name has to do.
    boot: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()) ?? hostname(),
    host: hostname(),
  };
}

/** Whether a process lives. Undefined if it cannot be known from here. */
export function isRunning(process: ProcessIdentity): boolean | undefined {
  const { boot, pidNamespace } = thisProcess();
  if (process.boot !== boot || process.pidNamespace !== pidNamespace) return undefined;
  // What is mounted at /proc can be another namespace's.
  const seen = attempt(() => readlinkSync(`/proc/${process.pid}/ns/pid`)) ?? pidNamespace;
  const started = seen === pidNamespace ? startOf(process.pid) : undefined;
  return started === undefined ? answersSignals(process.pid) : started === process.started;
}

/** Field 22 of /proc/PID/stat. The name before it can hold anything, spaces and parentheses among it. */
function startOf(pid: number | "self"): string | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
