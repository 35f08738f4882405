import { join } from "node:path";
import { SOCKET_DIRECTORY } from "./settings-table.js";

/** What the commands to start an exported cluster depend on. */
export interface StartCommandsOptions {
  /** The data directory, absolute. */
  readonly directory: string;
  /** The directory of Postgres's programs; undefined: they are looked for in PATH when the commands run. */
  readonly binaries: string | undefined;
  readonly port: number;
  /** The role to log in as. */
  readonly role: string;
  /** Whether the configuration names another port and another socket, which the command line has to override. */
  readonly keepConfig: boolean;
  /** Whether the files belong to root, as whom Postgres does not run. */
  readonly ownedByRoot: boolean;
}

/** Longest path of a unix socket that every system takes, in bytes (macOS: 104 with its NUL). */
const MAX_SOCKET_PATH_BYTES = 103;

/**
 * The lines for a shell that start an exported cluster, wait until it takes writes, and log in. `pg_ctl start` returns
 * while recovery still runs; a copy answers when it has ended.
 */
export function startCommands(options: StartCommandsOptions): string[] {
  const { directory, port, role } = options;
  const program = (name: string) =>
    options.binaries === undefined ? name : quote(join(options.binaries, name));
  const socket = join(directory, SOCKET_DIRECTORY);
  const overrides = options.keepConfig
    ? ` -o ${quote(`-p ${port} -c unix_socket_directories=${SOCKET_DIRECTORY}`)}`
    : "";
  const log = quote(join(directory, "startup.log"));
  const start = `${program("pg_ctl")} -D ${quote(directory)} -l ${log}${overrides} start`;
  const commands = options.ownedByRoot
    ? [`chown -R postgres ${quote(directory)}`, `su -s /bin/sh postgres -c ${quote(start)}`]
    : [start];
  let host = quote(socket);
  if (Buffer.byteLength(join(socket, `.s.PGSQL.${port}`)) > MAX_SOCKET_PATH_BYTES) {
    // A shorter name of the same directory.
    commands.push(`cd ${host}`);
    host = "/proc/self/cwd";
  }
  const where = `-h ${host} -p ${port}`;
  // Where the server has ended, so does the waiting.
  const ended = `[ ! -e ${quote(join(directory, "postmaster.pid"))} ]`;
  commands.push(
    `until ${program("pg_isready")} -q ${where} || ${ended}; do sleep 0.2; done`,
    `${program("psql")} ${where} -U ${quote(role)} -d postgres`,
  );
  return commands;
}

/** As one word of a shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
