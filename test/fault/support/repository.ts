import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { TestPostgres } from "../../../scripts/support/postgres.js";
import { neon } from "../../cli/support/neon.js";

/** A page server in the background. */
export interface Started {
  readonly pid: number;
  readonly port: number;
}

/** Starts the page server of a repository. */
export async function startServer(directory: string): Promise<Started> {
  const { status, stdout, stderr } = await neon(directory, "start", "--json");
  if (status !== 0) throw new Error(stderr);
  const { pid, listen } = JSON.parse(stdout);
  return { pid, port: Number(listen.split(":")[1]) };
}

/**
 * Checks which branches a repository has, and that it keeps no file but theirs, of one segment each, once what broken-off
 * pushes left for another attempt is collected.
 */
export async function assertHolds(t: ExecutionContext, directory: string, branches: readonly string[]) {
  const { status, stdout, stderr } = await neon(directory, "branch", "list", "--json");
  t.is(status, 0, stderr);
  t.deepEqual(
    JSON.parse(stdout).map(({ name }: { name: string }) => name),
    branches,
  );
  const collected = async () => {
    await neon(directory, "gc", "--all", "--no-branches");
    return (await segments(directory)).length === branches.length;
  };
  t.true(await eventually(collected), `${(await segments(directory)).length} segments`);
}

/** The files that a repository keeps frames in. */
export function segments(directory: string): Promise<string[]> {
  return readdir(join(directory, ".neon", "store", "segments"));
}

/** Waits until a condition holds, for ten seconds. */
export async function eventually(condition: () => Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** Replication slots of a Postgres. Those of a client that is gone go when the server notices. */
export async function slots(postgres: TestPostgres): Promise<number> {
  return (await postgres.query("select * from pg_replication_slots")).length;
}
