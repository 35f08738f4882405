import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** Postgres takes 63 bytes. */
const MAX_BRANCH_CHARACTERS = 40;

/** Where a repository is: its host and directory. */
export function repositoryPlace(directory: string): string {
  return `${hostname()}:${directory}`;
}

/**
 * Name of the replication slot that holds WAL for a branch: `neon_<branch>_<digits>`. The digits are the repository's and
 * the branch's own, so that two repositories, or branches whose names look alike in a slot's few letters, do not meet.
 */
export function followSlotName(directory: string, branch: string): string {
  const readable = branch
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .slice(0, MAX_BRANCH_CHARACTERS);
  const digits = createHash("sha256")
    .update(`${hostname()}\0${directory}\0${branch}`)
    .digest("hex")
    .slice(0, 8);
  return `neon_${readable}_${digits}`;
}
