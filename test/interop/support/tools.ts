import { spawnSync } from "node:child_process";
import type { ExecutionContext } from "ava";
import { findTool, type Tool } from "../../../scripts/support/postgres.js";
import { postgresUser } from "../../../scripts/support/postgres-user.js";

/** Path of a program. Where it is missing the test ends with a message, or fails if NEON_REQUIRE_TOOLS is set. */
export function requireTool(t: ExecutionContext, name: Tool): string | undefined {
  const tool = findTool(name);
  if (tool === undefined) {
    t.log(`${name} is not installed: not checked with it`);
    t.pass();
  }
  return tool;
}

/** Runs a program as the OS user of Postgres. */
export function runTool(path: string, args: readonly string[]): { status: number | null; output: string } {
  const user = postgresUser();
  const options = { encoding: "utf8", cwd: "/", uid: user?.uid, gid: user?.gid } as const;
  const { status, stdout, stderr } = spawnSync(path, args, options);
  return { status, output: stdout + stderr };
}

/** Whether a program is of that major version: pg_control, and the names of tablespaces' directories, are its own. */
export function isOfMajor(path: string, major: number): boolean {
  return Number(/\) (\d+)/.exec(runTool(path, ["--version"]).output)?.[1]) === major;
}
