import { join } from "node:path";
import { NeonError } from "../errors.js";
import { tryLockFile } from "./file-lock.js";
import { takeOwnership } from "./ownership.js";

/** A repository held by this process. */
export interface RepositoryLock {
  /** Throws 55006 once another process has taken the repository over. To be asked before every change. */
  assertHeld(): void;
  /** Gives the repository back. */
  release(): Promise<void>;
}

/**
 * Takes a repository (the `.neon` directory) for this process alone. Throws 55006 if another process, or another page
 * server of this one, has it, however that one reaches it.
 *
 * Two things together: a lock on a file, which every process of this kernel sees that reaches it through the same file
 * system, and which goes with the process, whatever ends it; and an entry for everybody else ({@link takeOwnership}).
 * `onLost` is told if another process takes over from this one all the same.
 */
export async function acquireLock(
  directory: string,
  onLost: (error: NeonError) => void = () => {},
): Promise<RepositoryLock> {
  const lock = await tryLockFile(join(directory, "lock"));
  if (lock === undefined) {
    throw new NeonError("object_in_use", `another process serves the repository ${directory}`, {
      hint: "neon status shows it, neon stop ends it.",
      retryable: true,
    });
  }
  try {
    const ownership = await takeOwnership(join(directory, "owner"), lock.file, onLost);
    return {
      assertHeld: () => ownership.assertHeld(),
      release: async () => {
        await ownership.release();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
