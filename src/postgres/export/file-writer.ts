import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { posix } from "node:path";
import { NeonError } from "../../errors.js";
import { pathBelow, quotePath } from "../byte-path.js";

const OPEN_FILES = 32;
/** Bytes after which the disk is set to work, so that it is not idle until the end and alone then. */
const SYNC_BYTES = 64 * 1024 * 1024;
const FLAGS = constants.O_RDWR | constants.O_NOFOLLOW;
const NEW = constants.O_CREAT | constants.O_EXCL;

/**
 * One name for two things: of a damaged or hostile branch a file where a directory is, or the other way round; or two names
 * that the file system takes for one, as those that ignore case do.
 */
const COLLISIONS = new Set(["EEXIST", "EISDIR", "ENOTDIR", "ELOOP"]);

/** What file systems say of a name that they cannot hold: too long, not in their encoding, a character of their own. */
const IMPOSSIBLE_NAMES = new Set(["ENAMETOOLONG", "EILSEQ", "EINVAL"]);

/**
 * Writes files below one directory, in any order, through a few open files. Files get mode 0600, directories 0700,
 * missing parents are made. Paths are relative (see byte-path.ts), and were judged by the caller. Calls must not overlap.
 */
export class FileWriter {
  /** Bytes written so far. */
  bytes = 0;
  readonly #root: string;
  /** The one used last comes last. */
  readonly #open = new Map<string, FileHandle>();
  readonly #directories = new Set<string>(["."]);
  /** Files that were made: who finds another one in its place has been given its name by the file system. */
  readonly #made = new Set<string>();
  #unsynced = 0;
  #syncing: Promise<void> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a directory and its parents, if they are missing. */
  async makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.makeDirectory(posix.dirname(path));
    await mkdir(pathBelow(this.#root, path), { mode: 0o700 }).catch(refuseName(path));
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
    await rename(pathBelow(this.#root, path), pathBelow(this.#root, newPath));
    this.#made.delete(path);
    this.#made.add(newPath);
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
    await this.makeDirectory(posix.dirname(path));
    const flags = this.#made.has(path) ? FLAGS : FLAGS | NEW;
    const file = await open(pathBelow(this.#root, path), flags, 0o600).catch(refuseName(path));
    this.#made.add(path);
    this.#open.set(path, file);
    return file;
  }

  async #close(path: string): Promise<void> {
    const file = this.#open.get(path);
    this.#open.delete(path);
    await file?.close();
  }
}

function refuseName(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    if (IMPOSSIBLE_NAMES.has(cause.code ?? "")) {
      const text = `the file system cannot hold the name ${quotePath(path)} (${cause.code})`;
      throw new NeonError("feature_not_supported", text, { hint: "Export to another file system.", cause });
    }
    if (!COLLISIONS.has(cause.code ?? "")) throw cause;
    const text = `the branch holds ${quotePath(path)} twice: as a file and as a directory, or as two names that are one on this file system`;
    const hint = "Export to a file system that tells upper and lower case apart.";
    throw new NeonError("data_corrupted", text, { party: "source", hint, cause });
  };
}
