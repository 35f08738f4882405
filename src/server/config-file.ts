import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { NeonError } from "../errors.js";
import { syncDirectory } from "../sync-path.js";

/** A TOML document, before anything is known of its settings. */
export type ConfigDocument = Record<string, unknown>;

const HEADER =
  "# Configuration of a neon page server. It can hold passwords: keep it private.\n" +
  "# neon rewrites the file when origins or users change; settings stay, other comments do not.\n\n";

/** Shows that a file that begins with the header has not been cut off: a user who is missing would open the door. */
const END = "# The end of the configuration. Without this line the file counts as cut off.";

/** Reads a TOML file. Throws 22023, with the line but never its text, if it is none, or was whole once and is no more. */
export async function readConfigFile(path: string): Promise<ConfigDocument> {
  const { parse, TomlError } = await import("smol-toml");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw NeonError.from(error);
  });
  if (isCut(text)) {
    throw new NeonError("invalid_parameter_value", `${path} is cut off: its last line is missing`, {
      hint: `Put it back from a copy. Where nothing else is missing, append the line: ${END}`,
    });
  }
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new NeonError("invalid_parameter_value", `${path} is not TOML: see line ${error.line}`);
  }
}

/** Replaces a TOML file, mode 0600, so that readers and a crash find the old or the new one, whole. */
export async function writeConfigFile(path: string, document: ConfigDocument): Promise<void> {
  const { stringify } = await import("smol-toml");
  const scratch = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(scratch, "wx", 0o600);
    try {
      await file.writeFile(`${HEADER}${stringify(document)}\n${END}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw NeonError.from(error);
  }
  await syncDirectory(dirname(path));
}

/** Files that somebody wrote by hand need no last line. */
function isCut(text: string): boolean {
  if (text.split(/\r?\n/).includes(END)) return false;
  return text.trim() === "" || text.startsWith(HEADER) || HEADER.startsWith(text);
}
