import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Programs that tests and benchmarks use where they are installed. */
export type Tool =
  | "pg_waldump"
  | "pg_checksums"
  | "pg_amcheck"
  | "pg_basebackup"
  | "pg_controldata"
  | "pgbench"
  | "psql"
  | "rsync"
  | "zsh"
  | "fish"
  | "mandoc"
  | "strace"
  | "pgbouncer"
  | "bindfs"
  | "unshare"
  | "mount";

const DEBIAN = "/usr/lib/postgresql";

/**
 * Path of a program: from Debian's newest Postgres, which has no client tools in PATH, or from PATH. Where it is missing,
 * throws if NEON_REQUIRE_TOOLS is set, as the gate sets it: a test that is skipped there is a hole.
 */
export function findTool(name: Tool): string | undefined {
  const path = (process.env.PATH ?? "").split(delimiter);
  const tool = [...debianDirectories(), ...path].map((directory) => join(directory, name)).find(executable);
  if (tool === undefined && process.env.NEON_REQUIRE_TOOLS) {
    throw new Error(`${name} is not installed, and NEON_REQUIRE_TOOLS is set`);
  }
  return tool;
}

function debianDirectories(): string[] {
  try {
    const majors = readdirSync(DEBIAN).filter((name) => /^\d+$/.test(name));
    return majors.sort((a, b) => Number(b) - Number(a)).map((major) => join(DEBIAN, major, "bin"));
  } catch {
    return [];
  }
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
