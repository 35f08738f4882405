import { findRepository, readConfig } from "../server/config.js";

/** How long a page server may take to tell the branches, in milliseconds: somebody waits at a prompt. */
const PATIENCE_MS = 1000;

/**
 * The names of the branches, origins or users of the repository around a directory, for hints and completion: none where they
 * cannot be told at once. Branches are told by a page server that runs; none is started.
 */
export async function knownNames(kind: "branch" | "origin" | "user", directory: string): Promise<string[]> {
  try {
    const repository = findRepository(directory);
    if (kind === "branch") return await branchNames(repository);
    const { origins, users } = await readConfig(repository);
    return [...(kind === "origin" ? origins : users).keys()];
  } catch {
    return [];
  }
}

async function branchNames(neonDirectory: string): Promise<string[]> {
  const { connectHolder } = await import("./connect-holder.js");
  const connection = await connectHolder(neonDirectory);
  if (connection === undefined) return [];
  const timer = setTimeout(() => connection.destroy(), PATIENCE_MS);
  try {
    const [result] = await connection.query("branch_list");
    const column = result?.fields.findIndex(({ name }) => name === "name") ?? -1;
    return result?.rows.flatMap((row) => row[column]?.toString() ?? []) ?? [];
  } finally {
    clearTimeout(timer);
    connection.destroy();
  }
}
