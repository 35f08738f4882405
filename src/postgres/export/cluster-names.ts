import { dirname } from "node:path/posix";
import { NeonError } from "../../errors.js";
import { quotePath } from "../byte-path.js";

/** What a data directory holds: no name is both a file and a directory. */
export class ClusterNames {
  readonly #files: Set<string>;
  readonly #directories: Set<string>;

  /** `files` and `directories` are there whatever a branch brings. */
  constructor(files: Iterable<string>, directories: Iterable<string>) {
    this.#files = new Set(files);
    this.#directories = new Set([".", ...directories]);
  }

  /** The same names, to go on with by itself. */
  clone(): ClusterNames {
    return new ClusterNames(this.#files, this.#directories);
  }

  /** Adds a file and the directories that lead to it. Throws XX001 for a name that is taken by the other kind. */
  addFile(path: string): void {
    if (this.#directories.has(path)) throw taken(path);
    this.addDirectory(dirname(path));
    this.#files.add(path);
  }

  /** Adds a directory and those that lead to it. Throws XX001 for a name that is taken by a file. */
  addDirectory(path: string): void {
    if (this.#directories.has(path)) return;
    if (this.#files.has(path)) throw taken(path);
    this.addDirectory(dirname(path));
    this.#directories.add(path);
  }
}

function taken(path: string): NeonError {
  const text = `the branch holds ${quotePath(path)} as a file and as a directory`;
  return new NeonError("data_corrupted", text, { party: "source" });
}
