import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanText } from "../../clean-text.js";
import { NeonError } from "../../errors.js";
import { BOOT_SILENCE_MS } from "../../limits.js";
import { type Connection, connect } from "../../pgwire/connect.js";
import { guardServer } from "./guard.js";
import type { Scratch } from "./scratch.js";

const PORT = 5432;
const POLL_MS = 100;
/** How long a server may take to shut down, and then to end at once. */
const STOP_MS = [60_000, 10_000];
/** Before that, 14, a server that recovers says nothing for long. */
const LOGS_PROGRESS = 15;

/** What a {@link TrialServer} is started with. */
export interface TrialServerOptions {
  readonly scratch: Scratch;
  /** The directory of Postgres's programs. */
  readonly binaries: string;
  readonly majorVersion: number;
  /** A superuser of the cluster. */
  readonly role: string;
  readonly signal: AbortSignal | undefined;
}

/** What Postgres says of a cluster that it does not take, or does not read. */
export class TrialError extends Error {}

/**
 * A stock Postgres on an exported data directory, to see whether it starts. Nobody reaches it but over a socket in a
 * directory of ours, it reaches nobody, and it ends with this process.
 */
export class TrialServer {
  readonly #options: TrialServerOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #callOff: () => void;

  private constructor(options: TrialServerOptions, child: ChildProcess) {
    const { path, socketDirectory } = options.scratch;
    this.#options = options;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    this.#callOff = guardServer(child.pid as number, path, socketDirectory);
  }

  /** Starts it. Throws what the operating system says of its program. */
  static async start(options: TrialServerOptions): Promise<TrialServer> {
    const { scratch, binaries } = options;
    await writeFile(join(scratch.path, "hba.conf"), "local all all trust\n");
    await writeFile(join(scratch.path, "ident.conf"), "");
    await scratch.handOver();
    const log = openSync(scratch.logFile, "a", 0o600);
    try {
      const child = spawn(join(binaries, "postgres"), argumentsOf(options), {
        cwd: scratch.path,
        detached: true, // a Ctrl-C is for the command, which ends this one in its turn
        env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
        stdio: ["ignore", log, log],
        ...scratch.user,
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      });
      return new TrialServer(options, child);
    } finally {
      closeSync(log);
    }
  }

  /** Connects to a database. */
  async connect(database: string): Promise<Connection> {
    const { scratch, role, signal } = this.#options;
    const parameters = new URLSearchParams({
      host: scratch.socketDirectory,
      port: String(PORT),
      user: role,
      dbname: database,
      options: SESSION_SETTINGS.map((setting) => `-c ${setting}`).join(" "),
    });
    const uri = `postgresql:///?${parameters.toString().replaceAll("+", "%20")}`;
    return connect({ uri, applicationName: "neon verify", signal });
  }

  /** Arguments for a program of Postgres that connects. */
  get connectionArguments(): string[] {
    const { scratch, role } = this.#options;
    return ["-h", scratch.socketDirectory, "-p", String(PORT), "-U", role];
  }

  /** Resolves when recovery has ended. Throws a {@link TrialError} if the server gives up, or makes no progress. */
  async recovered(): Promise<void> {
    const { signal, majorVersion } = this.#options;
    let refusal: string | undefined;
    for (;;) {
      signal?.throwIfAborted();
      if (!this.#running) throw await this.failure("PostgreSQL ended");
      try {
        const connection = await this.connect("template1");
        await connection.close();
        return;
      } catch (error) {
        const { sqlstate, message } = NeonError.from(error);
        signal?.throwIfAborted();
        // 57P03: it starts; 08: it does not listen yet. Anything else is its answer.
        refusal = /^(57P03|08)/.test(sqlstate) ? undefined : message;
      }
      if (refusal !== undefined) throw await this.failure(refusal);
      if (majorVersion >= LOGS_PROGRESS && (await this.#silence()) > BOOT_SILENCE_MS)
        throw await this.failure("it makes no progress");
      await sleep(POLL_MS);
    }
  }

  /** The error for what went wrong, with what the server's log says last. */
  async failure(text: string): Promise<TrialError> {
    const log = await readFile(this.#options.scratch.logFile, "utf8").catch(() => "");
    const lines = log.split("\n").filter((line) => /^(PANIC|FATAL|ERROR): /.test(line));
    const last = lines.findLast(
      (line) => /^(PANIC|FATAL)/.test(line) && !/starting up|shutting down/.test(line),
    );
    const said = last ?? lines.at(-1);
    return new TrialError(cleanText(said === undefined ? text : said.replace(/: {2,}/, ": ")));
  }

  /** Ends it, and resolves when it is gone. */
  async stop(): Promise<void> {
    for (const [attempt, signal] of (["SIGINT", "SIGQUIT"] as const).entries()) {
      if (!this.#running) break;
      this.#child.kill(signal);
      await Promise.race([this.#exited, sleep(STOP_MS[attempt], undefined, { ref: false })]);
    }
    if (this.#running) this.#child.kill("SIGKILL");
    await this.#exited;
    this.#callOff();
  }

  get #running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Milliseconds since it has logged something. */
  async #silence(): Promise<number> {
    return Date.now() - (await stat(this.#options.scratch.logFile)).mtimeMs;
  }
}

/** For every session: whatever the roles and databases of the cluster are set to, read all of each table. */
const SESSION_SETTINGS = [
  "statement_timeout=0",
  "lock_timeout=0",
  "idle_session_timeout=0",
  "search_path=pg_catalog",
  "row_security=off",
  "enable_indexscan=off",
  "enable_indexonlyscan=off",
  "enable_bitmapscan=off",
];

function argumentsOf({ scratch, majorVersion }: TrialServerOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "",
    port: String(PORT),
    unix_socket_directories: scratch.socketDirectory,
    unix_socket_permissions: "0700",
    unix_socket_group: "",
    hba_file: join(scratch.path, "hba.conf"),
    ident_file: join(scratch.path, "ident.conf"),
    external_pid_file: "",
    fsync: "off",
    autovacuum: "off",
    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "",
    log_min_messages: "warning",
    log_statement: "none",
    lc_messages: "C",
  };
  if (majorVersion >= LOGS_PROGRESS) {
    settings.log_startup_progress_interval = "10s";
    settings.log_min_messages = "log";
  }
  if (majorVersion >= 17) settings.event_triggers = "off";
  return [
    "-D",
    scratch.dataDirectory,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
}
