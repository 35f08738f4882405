import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chmod, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { guard } from "./guard.js";
import { type PostgresMajor, postgresBinaries } from "./postgres-binaries.js";
import { postgresUser } from "./postgres-user.js";

/** What a postmaster is started with. */
export interface PostgresStart {
  readonly major: PostgresMajor;
  readonly dataDir: string;
  readonly socketDir: string;
  readonly port: number;
  readonly logFile: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Also wait until recovery has ended. */
  readonly untilPromoted: boolean;
  readonly timeoutMs: number;
}

/** A running postmaster. */
export interface PostgresProcess {
  readonly pid: number;
  stop(signal: "SIGINT" | "SIGQUIT"): Promise<void>;
}

/** Starts a postmaster and waits until it takes connections. If it does not come up, the error holds its log's end. */
export async function startPostmaster(start: PostgresStart): Promise<PostgresProcess> {
  const user = postgresUser();
  const settings = {
    ...start.settings,
    port: String(start.port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: start.socketDir,
    logging_collector: "off",
  };
  const log = openSync(start.logFile, "a");
  const child = spawn(
    join(postgresBinaries(start.major), "postgres"),
    ["-D", start.dataDir, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      cwd: start.socketDir,
      detached: true, // Ctrl-C is for the program that uses this Postgres; the guard ends Postgres after it
      env: postgresEnvironment(),
      stdio: ["ignore", log, log],
      uid: user?.uid,
      gid: user?.gid,
    },
  );
  closeSync(log);
  child.unref();
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const release = guard('kill -QUIT "$1"; sleep 1; rm -rf "$2"', String(child.pid), start.socketDir);
  const stop = async (signal: "SIGINT" | "SIGQUIT") => {
    child.ref();
    if (running(child)) child.kill(signal);
    await exited;
    release();
  };
  try {
    await ready(child, start);
  } catch (error) {
    await stop("SIGQUIT");
    throw error;
  }
  return { pid: child.pid ?? 0, stop };
}

/** The environment of server programs: C locale, UTC, and none of the caller's PG* variables. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };
}

function running(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function ready(child: ChildProcess, start: PostgresStart): Promise<void> {
  const deadline = Date.now() + start.timeoutMs;
  let last = "";
  while (Date.now() < deadline) {
    if (!running(child)) throw new Error(`Postgres did not start:\n${await tail(start.logFile)}`);
    const client = new pg.Client({
      host: start.socketDir,
      port: start.port,
      user: "postgres",
      database: "postgres",
      connectionTimeoutMillis: 5000,
    });
    client.on("error", () => {}); // it shows as a failed query
    try {
      await client.connect();
      const answer = await client.query("select pg_is_in_recovery() as recovering");
      if (!start.untilPromoted || answer.rows[0].recovering === false) return;
      last = "still in recovery";
    } catch (error) {
      last = (error as Error).message;
    } finally {
      await client.end().catch(() => {});
    }
    await sleep(20);
  }
  throw new Error(`Postgres was not ready in ${start.timeoutMs} ms (${last}):\n${await tail(start.logFile)}`);
}

async function tail(logFile: string): Promise<string> {
  return (await readFile(logFile, "utf8")).split("\n").slice(-25).join("\n");
}

/** As root, gives a data directory to the OS user of Postgres and lets that user pass through its temporary parents. */
export async function giveToPostgres(dataDir: string): Promise<void> {
  const user = postgresUser();
  // Postgres starts with 0700 and 0750 only.
  if (((await stat(dataDir)).mode & 0o777) !== 0o750) await chmod(dataDir, 0o700);
  if (user === undefined) return;
  const { status, stderr } = spawnSync("chown", ["-R", `${user.uid}:${user.gid}`, dataDir], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  for (let path = dirname(dataDir); path !== "/" && path !== tmpdir(); path = dirname(path)) {
    const { mode, uid } = await stat(path);
    if ((mode & 0o001) === 0 && uid === 0 && path.startsWith(tmpdir()))
      await chmod(path, (mode & 0o777) | 0o011);
  }
}
