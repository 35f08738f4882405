import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { NeonError } from "../errors.js";

/** Sends a signal to a process and resolves when it is gone. Throws 42501 for a process of another user. */
export async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
    throw NeonError.from(error);
  }
  while (await isRunning(pid)) await sleep(20);
}

async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // In a container nobody may collect the process: it is gone and still has its number (manual: proc_pid_stat(5)).
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  return !/^\d+ \(.*\) [ZX]/s.test(stat);
}
