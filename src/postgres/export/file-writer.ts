import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { NeonError } from "../../errors.js";

const OPEN_FILES = 32;
/** Bytes after which the disk is set to work, so that it is not idle until the end and alone then. */
const SYNC_BYTES = 64 * 1024 * 1024;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Collisions that only a damaged or hostile branch can cause: a file where a directory is, or the other way round. */
const COLLISIONS = new Set(["EEXIST", "EISDIR", "ENOTDIR", "ELOOP"]);

/**
 * Writes files below one directory, in any order, through a few open files. Files get mode 0600, directories 0700,
 * missing parents are made. Paths are relative, with `/`, and were judged by the caller. Calls must not overlap.
 */
export class FileWriter {
  /** Bytes written so far. */
  bytes = 0;
  readonly #root: string;
  /** The one used last comes last. */
  readonly #open = new Map<string, FileHandle>();
  readonly #directories = new Set<string>(["."]);
  #unsynced = 0;
  #syncing: Promise<void> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a directory and its parents, if they are missing. */
  async makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.makeDirectory(dirname(path));
    await mkdir(join(this.#root, path), { mode: 0o700 }).catch(refuseCollision(path));
    this.#directories.add(path);
  }

  /** Writes `data` at `offset`; makes the file if it is missing, also for no data. `data` is free when it resolves. */
  async write(path: string, data: Uint8Array, offset: number): Promise<void> {
    const file = await this.#file(path);
    for (let at = 0; at < data.length; ) {
      const { bytesWritten } = await file.write(data, at, data.length - at, offset + at);
      at += bytesWritten;
    }
    this.bytes += data.length;
    this.#unsynced += data.length;
    if (this.#unsynced >= SYNC_BYTES) await this.#beginSync(file);
  }

  /** Reads up to `length` bytes at `offset` of a file that was written. */
  async read(path: string, offset: number, length: number): Promise<Buffer> {
    const file = await this.#file(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** Cuts a file, or lengthens it with zeros. */
  async truncate(path: string, length: number): Promise<void> {
    await (await this.#file(path)).truncate(length);
  }

  /** Gives a file another name. */
  async rename(path: string, newPath: string): Promise<void> {
    await this.#close(path);
    await rename(join(this.#root, path), join(this.#root, newPath));
  }

  /** Closes the files. What was written last is not durable yet. Throws if the disk has failed before. */
  async close(): Promise<void> {
    for (const path of this.#open.keys()) await this.#close(path);
    await this.#syncing;
  }

  /** Lets the disk write while more is being made; a second time only when the first is done. */
  async #beginSync(file: FileHandle): Promise<void> {
    this.#unsynced = 0;
    await this.#syncing;
    this.#syncing = file.datasync();
    // It is thrown where it is awaited: Linux reports a failed write once, so that a later sync would succeed.
    this.#syncing.catch(() => {});
  }

  async #file(path: string): Promise<FileHandle> {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    if (this.#open.size >= OPEN_FILES) {
      for (const oldest of this.#open.keys()) {
        await this.#close(oldest);
        break;
      }
    }
    await this.makeDirectory(dirname(path));
    const file = await open(join(this.#root, path), FLAGS, 0o600).catch(refuseCollision(path));
    this.#open.set(path, file);
    return file;
  }

  async #close(path: string): Promise<void> {
    const file = this.#open.get(path);
    this.#open.delete(path);
    await file?.close();
  }
}

function refuseCollision(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    if (!COLLISIONS.has(cause.code ?? "")) throw cause;
    const text = `the branch holds ${JSON.stringify(path)} as a file and as a directory`;
    throw new NeonError("data_corrupted", text, { party: "source", cause });
  };
}
