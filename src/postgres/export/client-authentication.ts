import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TAKEN_OUT, withBlock, withoutBlock } from "./marked-block.js";

/** What became of a pg_hba.conf. */
export interface ClientAuthentication {
  /** Latin1 text, so that any bytes survive. */
  readonly lines: string[];
  /** How many of the source's lines were taken out. */
  readonly takenOut: number;
}

// The socket is in the data directory, and only its owner can open it: he may read and write all files anyway.
const OWNER = [
  "# Who can open the socket owns these files, and may be everybody. It lies in the data directory, with mode 0700: where",
  "# you change unix_socket_directories or unix_socket_permissions, change these lines first.",
  "local   all             all                                     trust",
  "local   replication     all                                     trust",
];

/** Lines for who comes by TCP, where the source keeps its own outside the data directory. */
const PASSWORDS = [
  "host    all             all             127.0.0.1/32            scram-sha-256",
  "host    all             all             ::1/128                 scram-sha-256",
];

/** Methods that ask another host, a library or the system's own tables: not all Postgres were built with all of them. */
const ASKS_OTHERS = new Set(["gss", "sspi", "ident", "pam", "bsd", "ldap", "radius", "oauth"]);

/**
 * Lets the owner of the exported files in over the socket, before all that the source's pg_hba.conf says. What of it
 * asks others, or could keep Postgres from starting here, is taken out. `source` is latin1 text; undefined: it has none
 * in the data directory.
 */
export async function clientAuthentication(
  source: string | undefined,
  root: string,
): Promise<ClientAuthentication> {
  if (source === undefined) return { lines: withBlock([...PASSWORDS, ""], OWNER, "top"), takenOut: 0 };
  const lines = withoutBlock(source.split("\n"));
  let takenOut = 0;
  for (const [first, end] of logicalLines(lines)) {
    if (await isHarmless(lines.slice(first, end), root)) continue;
    for (let i = first; i < end; i++) lines[i] = TAKEN_OUT + lines[i];
    takenOut++;
  }
  return { lines: withBlock(lines, OWNER, "top"), takenOut };
}

/** First and last line of each record: a backslash at the end of a line joins it with the next. */
function* logicalLines(lines: readonly string[]): Generator<[first: number, end: number]> {
  for (let first = 0; first < lines.length; ) {
    let end = first + 1;
    while (end < lines.length && /\\\r?$/.test(lines[end - 1])) end++;
    yield [first, end];
    first = end;
  }
}

async function isHarmless(record: readonly string[], root: string): Promise<boolean> {
  const text = record.map((line) => line.replace(/\\?\r?$/, "")).join(" ");
  const words = text.match(/^[^#]*/)?.[0].match(/"[^"]*"|[^\s"]+/g) ?? [];
  const [type, ...fields] = words.map((word) => word.replace(/^"(.*)"$/, "$1"));
  if (type === undefined) return true;
  if (/^include/i.test(type)) return false;
  if (fields.some((field) => ASKS_OTHERS.has(field))) return false;
  for (const name of fields.flatMap((field) => field.split(",")).filter((part) => part.startsWith("@"))) {
    const path = name.slice(1);
    if (path.startsWith("/") || !(await isFile(join(root, path)))) return false;
  }
  return true;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
