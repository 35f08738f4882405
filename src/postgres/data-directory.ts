import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** What the directory of a tablespace's files is called: the data directory is elsewhere, but a base backup takes them. */
const TABLESPACE_VERSION = /^PG_\d+_\d+$/;

/**
 * The data directory, or tablespace of one, that a path lies in, the path itself included and symbolic links followed;
 * undefined if there is none. What lies there comes along with every base backup. The path need not exist.
 */
export function surroundingDataDirectory(path: string): string | undefined {
  for (let directory = realPath(resolve(path)); ; directory = dirname(directory)) {
    const isDataDirectory =
      existsSync(join(directory, "PG_VERSION")) && existsSync(join(directory, "global", "pg_control"));
    if (isDataDirectory || TABLESPACE_VERSION.test(basename(directory))) return directory;
    if (directory === dirname(directory)) return undefined;
  }
}

/** Where a path really lies, as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(realPath(dirname(path)), basename(path));
  }
}
