import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What every file, directory and link below `directory` is and holds, by path. Two that are equal: nothing was touched. */
export function fingerprint(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string) => {
    const stats = lstatSync(path);
    const kind = stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? readlinkSync(path)
        : digest(path);
    found[path] = `${kind} ${stats.mode.toString(8)} ${stats.mtimeMs}`;
    if (stats.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  visit(directory);
  return found;
}

function digest(path: string): string {
  const bytes = readFileSync(path);
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;
}
