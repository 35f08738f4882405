import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The largest segment of a store. */
export async function largestSegment(store: string): Promise<{ path: string; length: number }> {
  const directory = join(store, "segments");
  const files = await Promise.all(
    (await readdir(directory)).map(async (name) => {
      const path = join(directory, name);
      return { path, length: (await stat(path)).size };
    }),
  );
  return files.reduce((largest, file) => (file.length > largest.length ? file : largest));
}

/** Changes one bit of a file, as a failing disk does. */
export async function flipByte(path: string, offset: number): Promise<void> {
  await overwrite(path, offset, 1, (byte) => byte ^ 0x10);
}

/** Changes every byte of a stretch of a file. */
export async function overwrite(
  path: string,
  offset: number,
  length: number,
  change = (byte: number) => byte ^ 0xff,
): Promise<void> {
  const file = await open(path, "r+");
  try {
    const bytes = Buffer.alloc(length);
    await file.read(bytes, 0, length, offset);
    await file.write(bytes.map(change), 0, length, offset);
  } finally {
    await file.close();
  }
}
