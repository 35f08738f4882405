import { open, opendir } from "node:fs/promises";
import { pathBelow } from "../byte-path.js";

const FILES_AT_ONCE = 16;

/** Which mode a file or directory is to get, by its path relative to the tree (see byte-path.ts). */
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
  const syncFiles = () =>
    Promise.all(files.map((file) => sync(pathBelow(root, file), modeOf?.(file, "file"))));
  // latin1: names as bytes, a character each.
  for await (const entry of await opendir(pathBelow(root, path), { encoding: "latin1" as BufferEncoding })) {
    signal?.throwIfAborted();
    const below = path === "" ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) await syncTree(root, signal, modeOf, below);
    else files.push(below);
    if (files.length === FILES_AT_ONCE) {
      await syncFiles();
      files = [];
    }
  }
  await syncFiles();
  await sync(pathBelow(root, path), modeOf?.(path, "directory"));
}

/** Makes a file durable, or the names in a directory, with another mode if one is given. */
export async function sync(path: string | Buffer, mode?: number): Promise<void> {
  const file = await open(path, "r");
  try {
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}
