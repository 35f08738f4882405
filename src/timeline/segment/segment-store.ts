import { constants, type FileHandle, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { NeonError } from "../../errors.js";
import { syncDirectory } from "../../sync-path.js";

/** A segment being written by one session. */
export interface OpenSegment {
  /** Appends `buffers` in order. They must not change until it resolves. */
  append(buffers: Buffer[]): Promise<void>;
  /** Everything appended before is durable when it resolves: the file's data and its name. */
  sync(): Promise<void>;
  /** Gives up the handle. The segment stays. */
  close(): Promise<void>;
}

/** Where segments are kept. Ids are random and global, so that two stores can become one. */
export interface SegmentStore {
  /** Begins a segment. Fails if the id exists. */
  create(id: string): Promise<OpenSegment>;
  /** Opens a segment that a dead process was writing, cut to `length` bytes, to append to it. Throws XX001 if it is missing. */
  reopen(id: string, length: number): Promise<OpenSegment>;
  /**
   * Reads `length` bytes from `offset`, fewer if the segment ends before; into `buffer` if it is given. The caller owns
   * the result.
   */
  read(id: string, offset: number, length: number, buffer?: Buffer): Promise<Buffer>;
  /** Length of the segment in bytes. */
  length(id: string): Promise<number>;
  /** Ids of all segments. */
  list(): Promise<string[]>;
  /** Deletes a segment; no error if it is gone. */
  delete(id: string): Promise<void>;
}

/** Segments as files of one directory. */
export class FileSegmentStore implements SegmentStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the directory, which must not be there. */
  static async create(directory: string): Promise<void> {
    await mkdir(directory, { mode: 0o700 });
    await syncDirectory(join(directory, ".."));
  }

  /** Opens the directory. Throws XX001 if it is not there. */
  static async open(directory: string): Promise<FileSegmentStore> {
    const found = await stat(directory).catch(() => undefined);
    if (found?.isDirectory()) return new FileSegmentStore(directory);
    throw new NeonError("data_corrupted", `the store has lost its segments: ${directory} is missing`, {
      hint: "Put .neon/store back from a copy, or make a new repository and pull the branches from another page server.",
    });
  }

  async create(id: string): Promise<OpenSegment> {
    const file = await open(this.#path(id), "wx", 0o600);
    return new FileSegment(file, this.#directory);
  }

  async reopen(id: string, length: number): Promise<OpenSegment> {
    // Without O_CREAT: a segment that is missing is not an empty one.
    const flags = constants.O_WRONLY | constants.O_APPEND;
    const file = await open(this.#path(id), flags).catch((error) => missing(id, error));
    try {
      await file.truncate(length);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new FileSegment(file, this.#directory);
  }

  async read(
    id: string,
    offset: number,
    length: number,
    buffer = Buffer.allocUnsafeSlow(length),
  ): Promise<Buffer> {
    const file = await open(this.#path(id), "r").catch((error) => missing(id, error));
    try {
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    } finally {
      await file.close();
    }
  }

  async length(id: string): Promise<number> {
    return (await stat(this.#path(id)).catch((error) => missing(id, error))).size;
  }

  async list(): Promise<string[]> {
    // What else lies there, such as a file manager's notes, is none.
    return (await readdir(this.#directory)).filter((name) => /^[0-9a-f]{32}$/.test(name));
  }

  async delete(id: string): Promise<void> {
    await unlink(this.#path(id)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }

  #path(id: string): string {
    return join(this.#directory, id);
  }
}

class FileSegment implements OpenSegment {
  readonly #file: FileHandle;
  readonly #directory: string;
  #named = false;
  #failed: unknown;

  constructor(file: FileHandle, directory: string) {
    this.#file = file;
    this.#directory = directory;
  }

  async append(buffers: Buffer[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      let rest = buffers;
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.writev(rest);
        rest = dropBytes(rest, bytesWritten);
      }
    } catch (error) {
      this.#failed = error;
      throw error;
    }
  }

  async sync(): Promise<void> {
    // After a failed fsync the kernel may have dropped the pages: a second one that succeeds would prove nothing.
    if (this.#failed !== undefined) throw this.#failed;
    try {
      await this.#file.datasync();
      if (!this.#named) {
        await syncDirectory(this.#directory);
        this.#named = true;
      }
    } catch (error) {
      this.#failed = error;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function missing(id: string, error: NodeJS.ErrnoException): never {
  if (error.code !== "ENOENT") throw error;
  throw new NeonError("data_corrupted", `segment ${id} is missing`, { party: "source", cause: error });
}

function dropBytes(buffers: Buffer[], count: number): Buffer[] {
  let rest = count;
  for (let i = 0; i < buffers.length; i++) {
    if (rest < buffers[i].length) return [buffers[i].subarray(rest), ...buffers.slice(i + 1)];
    rest -= buffers[i].length;
  }
  return [];
}
