import { NeonError } from "../../errors.js";
import { quotePath } from "../byte-path.js";
import { judgePath } from "../judge-path.js";

/** What every cluster has, and Postgres does not make anew, or makes empty to the loss of what was there. */
const NEEDED = [
  "PG_VERSION",
  "backup_label",
  "base",
  "global",
  "global/pg_control",
  "global/pg_filenode.map",
  "pg_commit_ts",
  "pg_logical",
  "pg_multixact/members",
  "pg_multixact/offsets",
  "pg_twophase",
  "pg_xact",
];

/** Says of each path of a base backup whether an import takes it, and tells what it leaves out for being nobody's. */
export class BackupContents {
  readonly #majorVersion: number;
  readonly #tell: (text: string) => void;
  readonly #told = new Set<string>();
  readonly #missing = new Set(NEEDED);

  /** `tell` is told of each once: of a directory, not of all that is in it. */
  constructor(majorVersion: number, tell: (text: string) => void) {
    this.#majorVersion = majorVersion;
    this.#tell = tell;
  }

  /** Whether the file or directory is taken. */
  takes(path: string, kind: "file" | "directory"): boolean {
    if (path === "") return false;
    this.#missing.delete(path);
    const fate = judgePath(path, kind, this.#majorVersion);
    if (!fate.kept && fate.why !== undefined && !this.#told.has(fate.top)) {
      this.#told.add(fate.top);
      this.#tell(`left out ${quotePath(fate.top)} of its data directory: it ${fate.why}`);
    }
    return fate.kept;
  }

  /** At the end: throws 55000 if what every cluster has did not come, whatever the server said of it. */
  assertComplete(): void {
    const [missing] = this.#missing;
    if (missing === undefined) return;
    throw new NeonError("object_not_in_prerequisite_state", `the base backup holds no "${missing}"`, {
      party: "source",
      hint: "Is it a symbolic link in the server's data directory? A base backup follows none but pg_wal and tablespaces.",
    });
  }
}
