import { spawnSync } from "node:child_process";
import { appendFile, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "./free-port.js";
import { type PostgresMajor, postgresBinaries } from "./postgres-binaries.js";
import {
  giveToPostgres,
  type PostgresProcess,
  postgresEnvironment,
  startPostmaster,
} from "./postgres-process.js";
import { postgresUser } from "./postgres-user.js";
import { createTemporaryDirectory, type TemporaryDirectory } from "./temporary-directory.js";

export { findTool, type Tool } from "./find-tool.js";
export { POSTGRES_MAJORS, type PostgresMajor } from "./postgres-binaries.js";

/** A real Postgres of this process's own. It is ended, and what was made for it removed, when the process ends. */
export interface TestPostgres {
  readonly major: PostgresMajor;
  readonly dataDir: string;
  readonly port: number;
  readonly socketDir: string;
  /** `postgresql://postgres@127.0.0.1:port/`, for the superuser `postgres`, without a password. */
  readonly uri: string;
  /** Process id of the postmaster. */
  readonly pid: number;
  /** Runs SQL on a connection of its own; rows of the last statement, values in text form, NULL as "". */
  query(sql: string, database?: string): Promise<string[][]>;
  /** Ends the server: `fast` is a clean shutdown (default), `immediate` leaves crash recovery to the next start. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** Stops if running, and starts with the same port and settings. */
  restart(): Promise<void>;
  /** Ends a standby's recovery and waits for it. */
  promote(): Promise<void>;
  /** Stops at once and removes what was made for it; a data directory that was given stays. */
  remove(): Promise<void>;
  /** All that the server has logged. */
  log(): Promise<string>;
}

/** How to make a new cluster. */
export interface CreateOptions {
  readonly major: PostgresMajor;
  /** More arguments of initdb, such as `--wal-segsize=1` or `--data-checksums`. */
  readonly initdb?: readonly string[];
  /** Lines of postgresql.conf. fsync is on unless switched off here. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** How to start on a data directory that exists. */
export interface StartOptions {
  /** Settings on the command line, where they override the directory's own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Return while the server is still in recovery, as a standby is. */
  readonly standby?: boolean;
  /** How long to wait for the server, 60 000 unless given. */
  readonly timeoutMs?: number;
}

/** Makes a new cluster (C locale, UTF8, trust authentication also for replication) and starts it. */
export async function createPostgres(options: CreateOptions): Promise<TestPostgres> {
  const home = await createTemporaryDirectory("neon-pg-");
  try {
    const dataDir = join(home.path, "data");
    initdb(options, home.path, dataDir);
    const lines = Object.entries(options.settings ?? {}).map(
      ([name, value]) => `${name} = ${quote(value)}\n`,
    );
    await appendFile(join(dataDir, "postgresql.conf"), lines.join(""));
    return await start(options.major, dataDir, home, {});
  } catch (error) {
    await home.remove();
    throw error;
  }
}

/**
 * Starts on a data directory that exists, such as an exported one, and waits until it is no longer in recovery. As
 * root, the directory is given to the OS user of Postgres.
 */
export async function startPostgres(
  dataDir: string,
  major: PostgresMajor,
  options: StartOptions = {},
): Promise<TestPostgres> {
  const home = await createTemporaryDirectory("neon-pg-");
  try {
    await giveToPostgres(dataDir);
    return await start(major, dataDir, home, options);
  } catch (error) {
    await home.remove();
    throw error;
  }
}

/** Makes a standby that streams from `primary`, which is stopped for as long as its files are copied. */
export async function createStandby(primary: TestPostgres): Promise<TestPostgres> {
  const home = await createTemporaryDirectory("neon-pg-");
  try {
    const dataDir = join(home.path, "data");
    await primary.stop();
    await cp(primary.dataDir, dataDir, { recursive: true, verbatimSymlinks: true });
    await primary.restart();
    await writeFile(join(dataDir, "standby.signal"), "");
    const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres application_name=standby`;
    await appendFile(join(dataDir, "postgresql.auto.conf"), `primary_conninfo = ${quote(conninfo)}\n`);
    await giveToPostgres(dataDir);
    return await start(primary.major, dataDir, home, { standby: true });
  } catch (error) {
    await home.remove();
    throw error;
  }
}

function initdb(options: CreateOptions, home: string, dataDir: string): void {
  const user = postgresUser();
  if (user !== undefined) spawnSync("chown", [`${user.uid}:${user.gid}`, home]);
  const { status, stdout, stderr, error } = spawnSync(
    join(postgresBinaries(options.major), "initdb"),
    [
      "-D",
      dataDir,
      "-U",
      "postgres",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
      ...(options.initdb ?? []),
    ],
    { cwd: home, encoding: "utf8", env: postgresEnvironment(), uid: user?.uid, gid: user?.gid },
  );
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? ""}\n${stdout}${stderr}`);
}

// Between looking for a free port and listening on it, another process may take it.
const ATTEMPTS = 4;

async function start(
  major: PostgresMajor,
  dataDir: string,
  home: TemporaryDirectory,
  options: StartOptions,
): Promise<TestPostgres> {
  const user = postgresUser();
  if (user !== undefined) spawnSync("chown", [`${user.uid}:${user.gid}`, home.path]);
  const logFile = join(home.path, "log");
  const run = (port: number) =>
    startPostmaster({
      major,
      dataDir,
      socketDir: home.path,
      port,
      logFile,
      settings: options.settings ?? {},
      untilPromoted: options.standby !== true,
      timeoutMs: options.timeoutMs ?? 60_000,
    });
  let port = await freePort();
  let postmaster: PostgresProcess | undefined;
  for (let attempt = 1; postmaster === undefined; attempt++) {
    try {
      postmaster = await run(port);
    } catch (error) {
      if (attempt === ATTEMPTS || !/Address already in use/.test((error as Error).message)) throw error;
      port = await freePort();
    }
  }
  const query = (sql: string, database?: string) => runQuery(home.path, port, sql, database);
  const stop = async (mode: "fast" | "immediate" = "fast") => {
    await postmaster?.stop(mode === "fast" ? "SIGINT" : "SIGQUIT");
    postmaster = undefined;
  };
  return {
    major,
    dataDir,
    port,
    socketDir: home.path,
    uri: `postgresql://postgres@127.0.0.1:${port}/`,
    get pid() {
      return postmaster?.pid ?? 0;
    },
    query,
    stop,
    async restart() {
      await stop();
      postmaster = await run(port);
    },
    async promote() {
      await query("select pg_promote()");
    },
    async remove() {
      await stop("immediate");
      await home.remove();
    },
    log: () => readFile(logFile, "utf8"),
  };
}

async function runQuery(host: string, port: number, sql: string, database = "postgres"): Promise<string[][]> {
  const client = new pg.Client({ host, port, user: "postgres", database });
  client.on("error", () => {}); // it shows as a failed query
  await client.connect();
  try {
    const types = { getTypeParser: () => (value: string | null) => value ?? "" };
    const answer = await client.query({
      text: sql,
      rowMode: "array",
      types: types as unknown as pg.CustomTypesConfig,
    });
    const last = Array.isArray(answer) ? answer.at(-1) : answer;
    return last.rows.map((row: (string | null)[]) => row.map((value) => value ?? ""));
  } finally {
    await client.end();
  }
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
