import { spawnSync } from "node:child_process";

/** The OS user that Postgres runs as. */
export interface PostgresUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

let found: PostgresUser | undefined;

/** As root, the user that Postgres has to run as (it refuses root): `postgres`, else `nobody`. Otherwise undefined. */
export function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  found ??= lookUp("postgres") ?? lookUp("nobody");
  if (found === undefined)
    throw new Error("Postgres refuses to run as root, and there is no user postgres or nobody");
  return found;
}

function lookUp(name: string): PostgresUser | undefined {
  const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }));
  if (uid?.status !== 0 || gid?.status !== 0) return undefined;
  return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
}
