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

/** Reads a TOML file. Throws 22023, with the line but never its text, if it is none. */
export async function readConfigFile(path: string): Promise<ConfigDocument> {
  const { parse, TomlError } = await import("smol-toml");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw NeonError.from(error);
  });
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
      await file.writeFile(`${HEADER}${stringify(document)}\n`);
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
