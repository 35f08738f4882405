import type { Stats } from "node:fs";
import { mkdtemp, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { NeonError } from "../../errors.js";
import { surroundingDataDirectory } from "../data-directory.js";
import { type ModeOf, sync, syncTree } from "./sync-tree.js";

/**
 * The directory that an export makes. It is filled under a temporary name beside its place, `NAME.neon-export-XXXXXX`,
 * and appears with one rename: what is visible is whole.
 */
export class TargetDirectory {
  /** Where to write for now. Mode 0700. */
  readonly path: string;
  /** Where it will appear, absolute. */
  readonly place: string;

  private constructor(path: string, place: string) {
    this.path = path;
    this.place = place;
  }

  /**
   * Makes the temporary directory. Throws 42710 if `directory` is there and not empty, 58P01 if what shall hold it is
   * missing, 22023 if it is a mount point, 55000 if it lies in another data directory.
   */
  static async create(directory: string): Promise<TargetDirectory> {
    const place = await freePlace(resolve(directory));
    const parent = dirname(place);
    if (!(await statOf(parent))?.isDirectory()) {
      throw new NeonError("undefined_file", `${parent} is no directory`, { hint: "Make it, and try again." });
    }
    const cluster = surroundingDataDirectory(parent);
    if (cluster !== undefined) throw insideCluster(place, cluster);
    const path = await mkdtemp(join(parent, `${basename(place)}.neon-export-`)).catch(named(place));
    return new TargetDirectory(path, place);
  }

  /**
   * Makes all that was written durable, with other modes if there is `modeOf`, and then visible. An empty directory in
   * its place is replaced.
   */
  async publish(signal?: AbortSignal, modeOf?: ModeOf): Promise<void> {
    await syncTree(this.path, signal, modeOf);
    signal?.throwIfAborted();
    await rename(this.path, this.place).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOTEMPTY" || cause.code === "EEXIST") throw taken(this.place, cause);
      return named(this.place)(cause);
    });
    await sync(dirname(this.place));
  }

  /** Removes all that was written. */
  async discard(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

async function freePlace(directory: string): Promise<string> {
  const found = await statOf(directory);
  if (found === undefined) return directory;
  if (!found.isDirectory())
    throw new NeonError("duplicate_object", `${directory} exists and is no directory`);
  if ((await readdir(directory)).length > 0) throw taken(directory);
  // A symlink that the user gave: the rename has to replace the directory, not the link.
  const place = await realpath(directory);
  if ((await stat(dirname(place))).dev !== found.dev) {
    throw new NeonError(
      "invalid_parameter_value",
      `${directory} is a mount point, which cannot become a data directory`,
      {
        hint: "Name a directory inside it: export makes it.",
      },
    );
  }
  return place;
}

/** Throws an error of the operating system with the place that the user named, not the temporary one. */
function named(place: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const { code, message, hint } = NeonError.from(Object.assign(error, { path: place }));
    throw new NeonError(code, message, {
      hint:
        hint ??
        `The page server makes the directory, and cannot make one in ${dirname(place)}: name another place.`,
      cause: error,
    });
  };
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    return named(path)(error);
  });
}

function insideCluster(place: string, cluster: string): NeonError {
  const text = `${place} lies in ${cluster}, which holds the files of a PostgreSQL`;
  return new NeonError("object_not_in_prerequisite_state", text, {
    hint: "Export to a directory elsewhere: every base backup of that PostgreSQL would copy it.",
  });
}

function taken(directory: string, cause?: unknown): NeonError {
  return new NeonError("duplicate_object", `${directory} exists and is not empty`, {
    hint: "Export to a directory that is absent or empty.",
    cause,
  });
}
