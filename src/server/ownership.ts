import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdir, readFile, realpath, rename, rm, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NeonError } from "../errors.js";
import { isRunning, type ProcessIdentity, thisProcess } from "./process-identity.js";

/** How often an owner shows that it lives, in milliseconds. */
const BEAT_MS = 2000;
/** How long one that shows nothing may still live. */
const SILENCE_MS = 10_000;
const LOOK_MS = 250;

/** What an owner writes down. */
interface OwnerRecord extends ProcessIdentity {
  /** The directory, as it sees it. */
  readonly directory: string;
  /** The locked file, as it sees it. */
  readonly file?: string | undefined;
}

/** This process's place in the line of a repository's owners. */
export interface Ownership {
  /** Throws 55006 once somebody else has taken the repository, which can happen to one that was suspended. */
  assertHeld(): void;
  /** Lets the next owner come without delay. */
  release(): Promise<void>;
}

/**
 * Enters this process as the owner of what `directory` belongs to, for those who do not see its lock: through another
 * mount, or on another host. Throws 55006 if there is an owner.
 *
 * The directory holds one file, named by a number that only grows: the owner. Who takes over makes the next one, which
 * one alone can do, and deletes those before. A file whose name ends in `.free` was given back. The owner touches its file
 * every two seconds; nothing depends on what the clocks say.
 *
 * `file` is what this process has locked: an owner that locked the same file is dead. Of any other owner of this kernel
 * and pid namespace it is known whether it lives, and looked whether it sees the same directory: it may be the owner of
 * what this one is a copy of. The rest is watched for ten seconds. `onLost` is told if somebody takes over from this
 * process: it was suspended for longer, or cut off from its disk.
 */
export async function takeOwnership(
  directory: string,
  file: string | undefined,
  onLost: (error: NeonError) => void,
): Promise<Ownership> {
  await mkdir(directory, { mode: 0o700 }).catch(ignore("EEXIST"));
  const record: OwnerRecord = { ...thisProcess(), directory: await realpath(directory), file };
  for (;;) {
    const latest = findLatest(directory);
    if (latest?.owned) {
      const owner = await findOwner(join(directory, latest.name), file);
      if (owner !== undefined) throw held(owner);
    }
    const number = (latest?.number ?? 0) + 1;
    if (await enter(directory, number, record)) return new Owner(directory, number, onLost);
  }
}

class Owner implements Ownership {
  readonly #directory: string;
  readonly #number: number;
  readonly #onLost: (error: NeonError) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(directory: string, number: number, onLost: (error: NeonError) => void) {
    this.#directory = directory;
    this.#number = number;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  assertHeld(): void {
    const latest = findLatest(this.#directory);
    if (latest?.number === this.#number && latest.owned) return;
    throw new NeonError("object_in_use", "another process has taken the repository over meanwhile", {
      hint: "This one was suspended, or did not reach its disk. Nothing that it acknowledged is lost.",
    });
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    // What was done is done, whatever the disk says now: the next owner finds out that this one is gone.
    await rename(this.#path, `${this.#path}.free`).catch(() => {});
  }

  get #path(): string {
    return join(this.#directory, String(this.#number));
  }

  #beat(): void {
    try {
      this.assertHeld();
    } catch (thrown) {
      const error = NeonError.from(thrown);
      // Of a disk that fails whoever writes next is told.
      if (error.code !== "object_in_use") return;
      clearInterval(this.#timer);
      this.#onLost(error);
      return;
    }
    const now = new Date();
    utimes(this.#path, now, now).catch(() => {});
  }
}

interface Entry {
  readonly name: string;
  readonly number: number;
  readonly owned: boolean;
}

/** The file that counts: the highest number, and of two with that one the one that was given back. */
function findLatest(directory: string): Entry | undefined {
  return entries(directory).reduce<Entry | undefined>((latest, entry) => {
    const later = latest === undefined || entry.number > latest.number;
    return later || (entry.number === latest.number && !entry.owned) ? entry : latest;
  }, undefined);
}

function entries(directory: string): Entry[] {
  return readdirSync(directory).flatMap((name) => {
    const match = /^([1-9]\d{0,14})(\.free)?$/.exec(name);
    return match === null ? [] : [{ name, number: Number(match[1]), owned: match[2] === undefined }];
  });
}

/** Whether this process is the owner now. If not, somebody else was faster. */
async function enter(directory: string, number: number, record: OwnerRecord): Promise<boolean> {
  const path = join(directory, String(number));
  try {
    await writeFile(path, `${JSON.stringify(record)}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    // A full disk: the name is there, without an owner.
    await rename(path, `${path}.free`).catch(() => {});
    throw NeonError.from(error);
  }
  const latest = findLatest(directory);
  if (latest?.number !== number || !latest.owned) {
    // It was made, given back and forgotten since this process looked.
    await rm(path, { force: true });
    return false;
  }
  const before = entries(directory).filter((entry) => entry.number < number);
  await Promise.all(before.map(({ name }) => unlink(join(directory, name)).catch(ignore("ENOENT"))));
  return true;
}

/** The living owner that a file names, a text for people. Undefined if there is none. */
async function findOwner(path: string, file: string | undefined): Promise<string | undefined> {
  const record = await read(path);
  if (record !== undefined && record.file !== undefined && record.file === file) return undefined;
  const running = record && isRunning(record);
  const lives = running === undefined ? await moves(path) : running && (await sees(record, path));
  if (!lives) return undefined;
  return record === undefined ? "another process" : `process ${record.pid} on host ${record.host}`;
}

/** Undefined if the file is gone, or was not written to its end: its maker is just doing that, or died. */
async function read(path: string): Promise<OwnerRecord | undefined> {
  const text = await readFile(path, "utf8").catch(ignore("ENOENT"));
  try {
    return JSON.parse(text ?? "") as OwnerRecord;
  } catch {
    return undefined;
  }
}

/** Whether the owner shows that it lives. Returns early if its file goes. */
async function moves(path: string): Promise<boolean> {
  const first = await lastBeat(path);
  for (let waited = 0; waited < SILENCE_MS; waited += LOOK_MS) {
    await sleep(LOOK_MS);
    const beat = await lastBeat(path);
    if (beat === undefined) return false;
    if (beat !== first) return true;
  }
  return false;
}

async function lastBeat(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignore("ENOENT")))?.mtimeMs;
}

/** Whether a living process of this kernel looks at the very directory that holds `path`, and not at what it was copied from. */
async function sees({ pid, directory }: OwnerRecord, path: string): Promise<boolean> {
  const name = `look-${randomBytes(8).toString("hex")}`;
  const here = join(path, "..", name);
  await writeFile(here, "", { flag: "wx", mode: 0o600 });
  try {
    // Its root: it can be in another mount namespace.
    await stat(`/proc/${pid}/root${join(directory, name)}`);
    return true;
  } catch (error) {
    // Of a process that nothing is told of the worst is believed.
    return (error as NodeJS.ErrnoException).code !== "ENOENT" || process.platform !== "linux";
  } finally {
    await rm(here, { force: true });
  }
}

function held(owner: string): NeonError {
  return new NeonError("object_in_use", `the repository is in use by ${owner}`, {
    hint: "It reaches it another way: from another host, or through another mount. Ask the page server there.",
  });
}

function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw NeonError.from(error);
    return undefined;
  };
}
