import { execFile } from "node:child_process";
import { join } from "node:path";

const PATIENCE_MS = 10_000;

/** What a Postgres says of a configuration that it does not start with. */
export interface Refusal {
  /** The settings that it refuses, in lower case. */
  readonly settings: string[];
  /** Lines that it cannot read or whose setting it does not know: a path relative to the data directory, from 1. */
  readonly lines: { readonly path: string; readonly line: number }[];
}

// So that what it refuses goes to stderr, in English, whatever the configuration says of logging and language.
const OVERRIDES = ["log_destination=stderr", "log_min_messages=warning", "log_line_prefix="];
const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: "C", LANGUAGE: "en" };

/**
 * Asks a Postgres whether it takes the configuration of the data directory `root`: locales, time zones, compression
 * and much else depend on the host and on how Postgres was built. It reads the files and ends (`postgres -C`): no
 * library is loaded, nothing written. Undefined: it takes it.
 */
export async function refusedSettings(root: string, binaries: string): Promise<Refusal | undefined> {
  const overrides = OVERRIDES.flatMap((override) => ["-c", override]);
  const stderr = await new Promise<string | undefined>((resolve) => {
    execFile(
      join(binaries, "postgres"),
      ["-C", "data_directory", "-D", root, ...overrides],
      { env: ENVIRONMENT, timeout: PATIENCE_MS, cwd: "/" },
      (error, _, text) => resolve(error === null ? undefined : text),
    );
  });
  if (stderr === undefined) return undefined;
  const settings = new Set<string>();
  const lines: { path: string; line: number }[] = [];
  for (const text of stderr.split("\n")) {
    const [, path, line] = /in file "(.*)" line (\d+)/.exec(text) ?? [];
    const [, parameter] = /parameter "([^"]+)"/.exec(text) ?? [];
    if (path?.startsWith(`${root}/`)) lines.push({ path: path.slice(root.length + 1), line: Number(line) });
    else if (parameter !== undefined) settings.add(parameter.toLowerCase());
  }
  return { settings: [...settings], lines };
}
