import { readdir, readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { NeonError } from "../../errors.js";
import { parseConfLine } from "./conf-line.js";
import { withoutBlock } from "./marked-block.js";

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_FILES = 1000;

/** A configuration file of the cluster. */
export interface ConfFile {
  /** Relative to the data directory. */
  readonly path: string;
  /** Latin1 text, so that any bytes survive. */
  readonly lines: string[];
}

/** The configuration files of a data directory. */
export interface ConfFiles {
  /** postgresql.conf, what it includes below the data directory, postgresql.auto.conf; missing ones are left out. */
  readonly files: ConfFile[];
  /** Include directives that name something outside the data directory, or something that is not there. */
  readonly strayIncludes: { readonly file: ConfFile; readonly line: number }[];
}

/** Reads the configuration files below `root`, without what an earlier export wrote. Nothing outside it is opened. */
export async function readConfFiles(root: string): Promise<ConfFiles> {
  const found: ConfFiles = { files: [], strayIncludes: [] };
  for (const path of ["postgresql.conf", "postgresql.auto.conf"]) await collect(root, path, found);
  return found;
}

/** False if there is no such file, or it was read already. */
async function collect(root: string, path: string, found: ConfFiles): Promise<boolean> {
  if (found.files.some((file) => file.path === path)) return true;
  const size = await stat(join(root, path)).then(
    (stats) => (stats.isFile() ? stats.size : undefined),
    () => undefined,
  );
  if (size === undefined) return false;
  if (size > MAX_BYTES || found.files.length >= MAX_FILES) {
    throw new NeonError(
      "program_limit_exceeded",
      `the configuration in ${path} is too large to be examined`,
      { party: "source" },
    );
  }
  const file = { path, lines: withoutBlock((await readFile(join(root, path), "latin1")).split("\n")) };
  found.files.push(file);
  for (const [line, text] of file.lines.entries()) {
    const setting = parseConfLine(text);
    if (setting === undefined || !/^include(_dir|_if_exists)?$/.test(setting.name)) continue;
    const target = posix.join(posix.dirname(path), setting.value);
    const outside = posix.isAbsolute(setting.value) || target.startsWith("..");
    if (outside || !(await follow(root, target, setting.name, found)))
      found.strayIncludes.push({ file, line });
  }
  return true;
}

async function follow(root: string, target: string, directive: string, found: ConfFiles): Promise<boolean> {
  if (directive !== "include_dir") {
    return (await collect(root, target, found)) || directive === "include_if_exists";
  }
  const names = await readdir(join(root, target)).catch(() => undefined);
  for (const name of names?.sort() ?? []) {
    if (name.endsWith(".conf") && !name.startsWith(".")) await collect(root, posix.join(target, name), found);
  }
  return names !== undefined;
}
