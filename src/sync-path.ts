import { open } from "node:fs/promises";

/** Makes the content of a file durable. */
export async function syncFile(path: string): Promise<void> {
  await sync(path, "r+");
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await sync(path, "r");
}

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
