import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { NeonError } from "../errors.js";

/** A lock on a file, which goes with the process, whatever ends it. */
export interface FileLock {
  /** What the kernel calls the file: whoever sees it so sees its locks too. Undefined where it cannot be locked. */
  readonly file: string | undefined;
  release(): Promise<void>;
}

/** What we use of the package, which has no types. */
interface Locks {
  tryLock(fd: number): boolean;
}

/** What fcntl(2) says where there are no locks: on some network file systems. */
const NO_LOCKS = ["ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"];

/**
 * Locks the file `path`, making it if needed: an open file description lock of fcntl(2), so that two takers within one
 * process are two. Undefined if somebody else has it. Where neither the machine nor the file system has such locks the
 * result says so, and locks nothing.
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  const handle = await open(path, "a", 0o600).catch((error: unknown) => {
    throw NeonError.from(error);
  });
  try {
    const locked = tryLock(handle.fd);
    if (locked === false) {
      await handle.close();
      return undefined;
    }
    const { dev, ino } = await handle.stat({ bigint: true });
    return { file: locked === undefined ? undefined : `${dev}:${ino}`, release: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw NeonError.from(error);
  }
}

/** Undefined where nothing can be locked. */
function tryLock(fd: number): boolean | undefined {
  let locks: Locks;
  try {
    locks = createRequire(import.meta.url)("fs-native-extensions");
  } catch {
    return undefined; // a platform that it is not built for
  }
  try {
    return locks.tryLock(fd);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EACCES") return false;
    if (NO_LOCKS.includes(code)) return undefined;
    throw error;
  }
}
