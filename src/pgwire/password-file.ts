import { open } from "node:fs/promises";
import { join } from "node:path";
import { NeonError } from "../errors.js";
import { homeDirectory } from "./os-user.js";

/** A password file names these `localhost`: what libpq is built with, upstream and at Debian. */
const DEFAULT_SOCKET_DIRECTORIES = ["", "/tmp", "/var/run/postgresql"];

/** Where somebody logs in. */
export interface LoginTarget {
  /** Host name or address, or the directory of a unix socket. */
  readonly host: string;
  readonly port: number | string;
  /** Any of these names in a line will do. */
  readonly databases: readonly string[];
  readonly user: string;
}

/**
 * Finds the password for a server in $PGPASSFILE or ~/.pgpass, as libpq does (manual: The Password File). Throws 28P01 if
 * there is none, with what was wrong with the file as a hint.
 *
 * `pg` would look there too, but warns that this goes away, and skips lines that are short.
 */
export async function requireFilePassword(target: LoginTarget): Promise<string> {
  const path = process.env.PGPASSFILE || join(homeDirectory() ?? "/", ".pgpass");
  const text = await readPrivateFile(path);
  const host = DEFAULT_SOCKET_DIRECTORIES.includes(target.host) ? "localhost" : target.host;
  const wanted = [[host], [String(target.port)], target.databases, [target.user]];
  for (const line of (text ?? "").split(/\r?\n/)) {
    const fields = line.startsWith("#") ? [] : splitLine(line);
    const password = fields[4];
    if (password && wanted.every((values, i) => fields[i] === "*" || values.includes(unescaped(fields[i]))))
      return unescaped(password);
  }
  // Whoever connects may be a page server, whose log holds the message alone: that a file is passed over stands there.
  const ignored = text === undefined ? `; the password file ${path} is not used: others can read it` : "";
  throw new NeonError(
    "invalid_password",
    `the server asks user "${target.user}" for a password, and there is none${ignored}`,
    {
      party: "connection",
      // A URI with a placeholder for the password would be masked as if it held one.
      hint:
        text === undefined
          ? `chmod 0600 ${path}`
          : `Write it into the URI, behind the user and a colon, or into ${path}, which is read by who connects.`,
    },
  );
}

/** A file's text, "" if it is not there or no plain file. Undefined if others than its owner have access to it. */
async function readPrivateFile(path: string): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return "";
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return "";
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0) return undefined;
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** The four fields and the password, still escaped. The password goes to the end of the line. */
function splitLine(line: string): string[] {
  const match = /^((?:\\.|[^\\:])*):((?:\\.|[^\\:])*):((?:\\.|[^\\:])*):((?:\\.|[^\\:])*):(.*)$/.exec(line);
  return match === null ? [] : match.slice(1);
}

function unescaped(field: string | undefined): string {
  return (field ?? "").replace(/\\(.)/g, "$1");
}
