import { open, opendir } from "node:fs/promises";
import { join } from "node:path";

const FILES_AT_ONCE = 16;

/** Which mode a file or directory is to get, by its path relative to the tree. */
export type ModeOf = (path: string, kind: "file" | "directory") => number;

/**
 * Makes a directory and all below it durable: the files first, then the directory that names them. Gives them other
 * modes before that, if there is `modeOf`.
 */
export async function syncTree(
  root: string,
  signal?: AbortSignal,
  modeOf?: ModeOf,
  path = "",
): Promise<void> {
  let files: string[] = [];
  const syncFiles = () => Promise.all(files.map((file) => sync(join(root, file), modeOf?.(file, "file"))));
  for await (const entry of await opendir(join(root, path))) {
    signal?.throwIfAborted();
    const below = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(root, signal, modeOf, below);
    else files.push(below);
    if (files.length === FILES_AT_ONCE) {
      await syncFiles();
      files = [];
    }
  }
  await syncFiles();
  await sync(join(root, path), modeOf?.(path, "directory"));
}

/** Makes a file durable, or the names in a directory, with another mode if one is given. */
export async function sync(path: string, mode?: number): Promise<void> {
  const file = await open(path, "r");
  try {
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}
