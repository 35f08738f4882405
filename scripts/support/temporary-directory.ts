import { mkdtempSync } from "node:fs";
import { chmod, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guard } from "./guard.js";

/** A directory of this process's own. */
export interface TemporaryDirectory {
  /** Absolute and short enough for a Unix socket's file name inside it. */
  readonly path: string;
  /** Removes it with all that it holds. */
  remove(): Promise<void>;
}

// The path of a Unix socket has room for 107 bytes on Linux and 103 on macOS.
const LONGEST_PARENT = 70;

/** Makes a directory that other OS users can pass through, and that is removed even if this process is killed. */
export async function createTemporaryDirectory(prefix = "neon-"): Promise<TemporaryDirectory> {
  const parent = tmpdir().length > LONGEST_PARENT ? "/tmp" : tmpdir();
  const path = mkdtempSync(join(parent, prefix));
  // The servers that work in it have guards of their own, which need a second or two.
  const release = guard('sleep 2; rm -rf "$1" || { sleep 3; rm -rf "$1"; }', path);
  await chmod(path, 0o711);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      release();
    },
  };
}
