import { randomBytes } from "node:crypto";
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { NeonError } from "../errors.js";

/**
 * Takes a file that names this process, for systems without abstract sockets: link(2) fails if the name exists, so that
 * two takers cannot both succeed. A file of a process that is gone is taken over. Gives undefined if another process
 * holds it, else a function that gives it back.
 */
export async function acquirePidFile(path: string): Promise<(() => Promise<void>) | undefined> {
  const scratch = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(scratch, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await linked(scratch, path)) return () => unlink(path);
      if (await isHeld(path)) return undefined;
      await unlink(path).catch(ignoreMissing);
    }
    return undefined;
  } finally {
    await unlink(scratch);
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw NeonError.from(error);
  }
}

async function isHeld(path: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch(ignoreMissing);
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw NeonError.from(error);
  return undefined;
}
