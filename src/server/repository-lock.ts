import { stat } from "node:fs/promises";
import { join } from "node:path";
import { NeonError } from "../errors.js";
import { acquireExclusiveName } from "../pgwire/exclusive-name.js";
import { acquirePidFile } from "./pid-file.js";

/** A repository held by this process. */
export interface RepositoryLock {
  /** Gives the repository back. */
  release(): Promise<void>;
}

/**
 * Takes a repository (the `.neon` directory) for this process alone. Throws 55006 if another process, or another page
 * server of this one, has it. The lock goes with the process, whatever ends it: on Linux it is a name that the kernel
 * frees, elsewhere a file with the process id.
 */
export async function acquireLock(directory: string): Promise<RepositoryLock> {
  const { dev, ino } = await stat(directory).catch((error: unknown) => {
    throw NeonError.from(error);
  });
  const lock =
    process.platform === "linux"
      ? await acquireExclusiveName(`neon:${dev}:${ino}`)
      : await pidFileLock(join(directory, "pid"));
  if (lock === undefined) {
    throw new NeonError("object_in_use", `another process serves the repository ${directory}`, {
      hint: "neon status shows it, neon stop ends it.",
      retryable: true,
    });
  }
  return lock;
}

async function pidFileLock(path: string): Promise<RepositoryLock | undefined> {
  const release = await acquirePidFile(path);
  return release && { release };
}
