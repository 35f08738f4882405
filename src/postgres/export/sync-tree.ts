import { open, opendir } from "node:fs/promises";
import { join } from "node:path";

const FILES_AT_ONCE = 16;

/** Makes a directory and all below it durable: the files first, then the directory that names them. */
export async function syncTree(directory: string, signal?: AbortSignal): Promise<void> {
  let files: string[] = [];
  for await (const entry of await opendir(directory)) {
    signal?.throwIfAborted();
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path, signal);
    else files.push(path);
    if (files.length === FILES_AT_ONCE) {
      await Promise.all(files.map(sync));
      files = [];
    }
  }
  await Promise.all(files.map(sync));
  await sync(directory);
}

/** Makes a file durable, or the names in a directory. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
