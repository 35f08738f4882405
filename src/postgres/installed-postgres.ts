import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PATIENCE_MS = 10_000;

/** Where systems put the programs of one major version; `N` stands for it. */
const USUAL_PLACES = [
  "/usr/lib/postgresql/N/bin", // Debian, Ubuntu
  "/usr/pgsql-N/bin", // PGDG's packages for Red Hat, SUSE
  "/usr/libexec/postgresqlN", // Alpine
  "/opt/homebrew/opt/postgresql@N/bin",
  "/usr/local/opt/postgresql@N/bin",
  "/Applications/Postgres.app/Contents/Versions/N/bin",
];

/**
 * The directory of this host that holds `postgres`, `pg_ctl` and `psql` of a major version; undefined if there is none
 * in NEON_POSTGRES_BIN, at the usual places or in PATH.
 */
export async function installedPostgres(majorVersion: number): Promise<string | undefined> {
  const [named, inPath] = [process.env.NEON_POSTGRES_BIN, process.env.PATH].map((list) =>
    (list ?? "").split(delimiter).filter((directory) => directory.startsWith("/")),
  ) as [string[], string[]];
  const usual = USUAL_PLACES.map((place) => place.replace("N", String(majorVersion)));
  for (const directory of new Set([...named, ...usual, ...inPath])) {
    if ((await majorVersionOf(directory)) === majorVersion && (await runs(join(directory, "pg_ctl")))) {
      return directory;
    }
  }
  return undefined;
}

async function majorVersionOf(directory: string): Promise<number | undefined> {
  const version = await versionOf(join(directory, "postgres"));
  const [, major] = /\(PostgreSQL\) (\d+)/.exec(version ?? "") ?? [];
  return major === undefined ? undefined : Number(major);
}

async function runs(program: string): Promise<boolean> {
  return (await versionOf(program)) !== undefined;
}

async function versionOf(program: string): Promise<string | undefined> {
  return run(program, ["--version"], { timeout: PATIENCE_MS, cwd: "/" }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}
