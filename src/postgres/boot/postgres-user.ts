import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { NeonError } from "../../errors.js";

const run = promisify(execFile);

/** An OS user. */
export interface OsUser {
  readonly uid: number;
  readonly gid: number;
}

/** As root, the user that Postgres is to run as, which refuses root: `postgres`, else `nobody`. Otherwise undefined. */
export async function postgresUser(): Promise<OsUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const user = (await lookUp("postgres")) ?? (await lookUp("nobody"));
  if (user !== undefined) return user;
  throw new NeonError(
    "undefined_object",
    "PostgreSQL does not run as root, and there is no user postgres or nobody",
  );
}

async function lookUp(name: string): Promise<OsUser | undefined> {
  try {
    const [uid, gid] = await Promise.all(["-u", "-g"].map((flag) => run("id", [flag, name])));
    return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  } catch {
    return undefined;
  }
}
