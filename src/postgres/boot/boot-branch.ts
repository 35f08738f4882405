import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Branch, Store } from "../../timeline/store.js";
import { exportBranch } from "../export/export-branch.js";
import { switchPoint } from "../export/timeline-history.js";
import { installedPostgres } from "../installed-postgres.js";
import { type ClusterCounts, countRows, runAmcheck } from "./examine-cluster.js";
import { postgresUser } from "./postgres-user.js";
import { Scratch } from "./scratch.js";
import { TrialError, TrialServer } from "./trial-server.js";

export { TrialError } from "./trial-server.js";

const run = promisify(execFile);

/** What {@link bootBranch} is told. */
export interface BootOptions {
  readonly store: Store;
  readonly branch: Branch;
  /** The repository's directory. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
  onProgress?(progress: { phase: string; bytes: number; totalBytes?: number }): void;
}

/** What a stock Postgres has shown of a branch. */
export interface BootResult extends ClusterCounts {
  /** Such as `15.18`. */
  readonly serverVersion: string;
  /** Whether pg_amcheck was there, and found nothing. */
  readonly amcheck: boolean;
}

/**
 * Exports a branch to a scratch directory, has a stock Postgres of its major version recover it, looks at all of it, and
 * removes it again. Throws a {@link TrialError} if that Postgres refuses the branch or finds something wrong, and what
 * keeps it from being tried: 58P01 if this host has no such Postgres, 53100 if there is no room. An abort leaves no
 * process and no directory.
 */
export async function bootBranch(options: BootOptions): Promise<BootResult> {
  const { store, branch, directory, signal, onProgress } = options;
  const majorVersion = Math.floor(branch.start.serverVersionNum / 10_000);
  const binaries = await requirePostgres(majorVersion);
  const scratch = await Scratch.create(directory, await postgresUser());
  try {
    const { role } = await exportBranch({
      store,
      branch,
      directory: scratch.dataDirectory,
      binaries,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    const say = (what: string) =>
      onProgress?.({ phase: `${branch.name}: ${what}`, bytes: branch.bytes, totalBytes: branch.bytes });
    say(`recovery by PostgreSQL ${majorVersion}`);
    const server = await TrialServer.start({ scratch, binaries, majorVersion, role, signal });
    try {
      await server.recovered();
      await assertRecoveredTo(scratch.dataDirectory, branch.head.lsn);
      say("pg_amcheck");
      const amcheck = await runAmcheck(server, binaries, signal);
      const counts = await countRows(server, (table) => say(`reading ${table}`));
      return { ...counts, amcheck, serverVersion: await versionOf(binaries) };
    } finally {
      await server.stop();
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error;
  } finally {
    await scratch.remove();
  }
}

/** Where this host has the programs of a major version. Throws 58P01 if it does not. */
export async function requirePostgres(majorVersion: number): Promise<string> {
  const binaries = await installedPostgres(majorVersion);
  if (binaries !== undefined) return binaries;
  throw new NeonError("undefined_file", `no PostgreSQL ${majorVersion} was found on this host`, {
    hint: `Install it (Debian: apt install postgresql-${majorVersion}), or start neon with NEON_POSTGRES_BIN set to the directory that holds its programs.`,
  });
}

/** Recovery begins a timeline where it ended, and notes where that is. */
async function assertRecoveredTo(dataDirectory: string, headLsn: Lsn): Promise<void> {
  const directory = join(dataDirectory, "pg_wal");
  const histories = (await readdir(directory)).filter((name) => /^[0-9A-F]{8}\.history$/.test(name)).sort();
  const newest = histories.at(-1);
  const end = newest === undefined ? undefined : switchPoint(await readFile(join(directory, newest)));
  if (end === headLsn) return;
  const where = end === undefined ? "nowhere" : `at ${formatLsn(end)}`;
  throw new TrialError(`recovery ended ${where} instead of at ${formatLsn(headLsn)}`);
}

async function versionOf(binaries: string): Promise<string> {
  const { stdout } = await run(join(binaries, "postgres"), ["--version"], { cwd: "/" });
  return /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1] ?? stdout.trim();
}
