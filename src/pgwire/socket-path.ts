import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { NeonError } from "../errors.js";

/** Longest path in bytes that bind(2) and connect(2) take on every system, the NUL not counted (macOS: 104). */
const MAX_PATH_BYTES = 103;

/**
 * Calls `use` with a path of the unix socket `path` that is short enough for the kernel: itself, or one through a symbolic
 * link to its directory, which is gone when `use` has settled.
 */
export async function withShortPath<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return use(path);
  const directory = await mkdtemp(join(tmpdir(), "neon-"));
  try {
    const link = join(directory, "d");
    await symlink(resolve(dirname(path)), link);
    const short = join(link, basename(path));
    if (Buffer.byteLength(short) > MAX_PATH_BYTES) {
      throw new NeonError("invalid_parameter_value", `the path of the socket is too long: ${path}`);
    }
    return await use(short);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
