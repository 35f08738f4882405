import { NeonError } from "../../errors.js";
import type { BackupTablespace } from "../replication/base-backup.js";
import { isClusterMember } from "./cluster-member.js";

/** Damaged blocks that an error names; the warnings before it name all. */
const NAMED_BLOCKS = 3;

/** A path, in the quotation marks of any language: of the data directory, or absolute. */
const QUOTED_PATH = /["„«“»‘「]\s?(\.?\/[^"„«“”»’」]+?)\s?["“”«»’」]/;

/**
 * What a Postgres warns of while it is imported. Every warning is passed on, and some are more than that: a base backup
 * leaves out what is no plain file, and tells of wrong checksums block by block before its error tells that there are some.
 */
export class SourceWarnings {
  readonly #tell: (text: string) => void;
  readonly #skipped: string[] = [];
  readonly #damaged: string[] = [];
  #tablespaces: readonly BackupTablespace[] = [];

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  /** Takes the text of a warning. */
  readonly take = (text: string): void => {
    this.#tell(text);
    const [quoted, path = ""] = QUOTED_PATH.exec(text) ?? [];
    if (quoted === undefined) return;
    // The server may speak any language: what it says of blocks has numbers, what it says of a skipped file has none.
    if (/\d/.test(text.replace(quoted, ""))) this.#damaged.push(text);
    else if (isClusterMember(this.#inDataDirectory(path))) this.#skipped.push(path.replace(/^\.\//, ""));
  };

  /** Says where the tablespaces lie that the base backup holds: warnings name their files by where they are. */
  expectTablespaces(tablespaces: readonly BackupTablespace[]): void {
    this.#tablespaces = tablespaces;
  }

  #inDataDirectory(path: string): string {
    if (path.startsWith("./")) return path.slice(2);
    const tablespace = this.#tablespaces.find(({ location }) => path.startsWith(`${location}/`));
    if (tablespace === undefined) return path;
    return `pg_tblspc/${tablespace.oid}${path.slice(tablespace.location.length)}`;
  }

  /** Throws 55000 if the base backup has left out something that the cluster cannot do without. */
  assertComplete(): void {
    const [first, ...others] = this.#skipped;
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    throw new NeonError(
      "object_not_in_prerequisite_state",
      `the base backup leaves out "${first}"${more}: it is no plain file or directory but, say, a symbolic link`,
      {
        party: "source",
        hint: "Postgres follows such a link, but copies what it points to into no base backup. Move it back, or into a tablespace: CREATE TABLESPACE, ALTER DATABASE … SET TABLESPACE.",
      },
    );
  }

  /** The error of a base backup, with the blocks that the warnings before it named. */
  explain(error: NeonError): NeonError {
    if (error.code !== "data_corrupted" || this.#damaged.length === 0) return error;
    const named = this.#damaged.slice(0, NAMED_BLOCKS).join("; ");
    const more =
      this.#damaged.length > NAMED_BLOCKS ? `; and ${this.#damaged.length - NAMED_BLOCKS} more` : "";
    const { code, message, hint, party, sqlstate, reported, cause } = error;
    return new NeonError(code, `${message}: ${named}${more}`, { hint, party, sqlstate, reported, cause });
  }
}
