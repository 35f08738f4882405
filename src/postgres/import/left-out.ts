import { quotePath } from "../byte-path.js";
import { judgePath } from "../judge-path.js";

/** Says of each path of a base backup whether an import takes it, and tells what it leaves out for being nobody's. */
export class LeftOut {
  readonly #majorVersion: number;
  readonly #tell: (text: string) => void;
  readonly #told = new Set<string>();

  /** `tell` is told of each once: of a directory, not of all that is in it. */
  constructor(majorVersion: number, tell: (text: string) => void) {
    this.#majorVersion = majorVersion;
    this.#tell = tell;
  }

  /** Whether the file or directory is taken. */
  takes(path: string, kind: "file" | "directory"): boolean {
    if (path === "") return false;
    const fate = judgePath(path, kind, this.#majorVersion);
    if (!fate.kept && fate.why !== undefined && !this.#told.has(fate.top)) {
      this.#told.add(fate.top);
      this.#tell(`left out ${quotePath(fate.top)} of its data directory: it ${fate.why}`);
    }
    return fate.kept;
  }
}
