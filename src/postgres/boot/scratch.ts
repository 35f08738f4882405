import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { OsUser } from "./postgres-user.js";

const run = promisify(execFile);

/** Where a server of root's puts what another user has to get at, with room for a cluster. */
const ROOTS_PARENT = "/var/tmp";
/** How long a server that lost its page server may take to end. */
const END_MS = 10_000;

/** Scratch directories that this process uses. */
const used = new Set<string>();

/**
 * A directory for a cluster that is started to try it, and gone afterwards: inside the repository, since it needs as
 * much room as the cluster, or in /var/tmp where Postgres has to run as another user than the repository's.
 */
export class Scratch {
  /** Mode 0700. */
  readonly path: string;
  /** A directory with a short path, for the server's socket. Mode 0700. */
  readonly socketDirectory: string;
  readonly user: OsUser | undefined;

  private constructor(path: string, socketDirectory: string, user: OsUser | undefined) {
    this.path = path;
    this.socketDirectory = socketDirectory;
    this.user = user;
  }

  /** Makes one for the repository in `directory`, after removing what dead processes have left there. */
  static async create(directory: string, user: OsUser | undefined): Promise<Scratch> {
    await removeLeftovers(directory, user !== undefined);
    const { parent, prefix } = place(directory, user !== undefined);
    const path = await mkdtemp(join(parent, prefix));
    used.add(path);
    const socketDirectory = await mkdtemp(join(tmpdir(), "neon-"));
    const scratch = new Scratch(path, socketDirectory, user);
    if (user !== undefined)
      await Promise.all([path, socketDirectory].map((made) => chown(made, user.uid, user.gid)));
    return scratch;
  }

  /** The data directory. */
  get dataDirectory(): string {
    return join(this.path, "data");
  }

  /** What the server logs. */
  get logFile(): string {
    return join(this.path, "log");
  }

  /** Gives all that was written to the user that Postgres runs as. */
  async handOver(): Promise<void> {
    if (this.user !== undefined) await run("chown", ["-R", `${this.user.uid}:${this.user.gid}`, this.path]);
  }

  /** Removes it. The server must have ended. */
  async remove(): Promise<void> {
    await Promise.all(
      [this.path, this.socketDirectory].map((made) => rm(made, { recursive: true, force: true })),
    );
    used.delete(this.path);
  }
}

/** Removes scratch directories of processes that are gone, and ends the servers that still run on them. */
export async function removeLeftovers(directory: string, asRoot = process.getuid?.() === 0): Promise<void> {
  const { parent, prefix } = place(directory, asRoot);
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const path = join(parent, name);
    if (!name.startsWith(prefix) || used.has(path)) continue;
    await endServer(join(path, "data"));
    await rm(path, { recursive: true, force: true });
  }
}

function place(directory: string, asRoot: boolean): { parent: string; prefix: string } {
  if (!asRoot) return { parent: directory, prefix: "boot-" };
  const name = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return { parent: ROOTS_PARENT, prefix: `neon-boot-${name}-` };
}

/** Ends the server that runs on a data directory; none other, whatever number its file names. */
async function endServer(dataDirectory: string): Promise<void> {
  const file = await readFile(join(dataDirectory, "postmaster.pid"), "latin1").catch(() => "");
  const pid = Number(file.split("\n")[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  for (const end = Date.now() + END_MS; Date.now() < end && (await runsOn(pid, dataDirectory)); ) {
    process.kill(pid, "SIGQUIT");
    await sleep(100);
  }
}

async function runsOn(pid: number, dataDirectory: string): Promise<boolean> {
  const { stdout } = await run("ps", ["-o", "args=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.includes(dataDirectory);
}
