import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { findTool, type TestPostgres } from "../support/postgres.js";
import { runProgram } from "./run-program.js";

/** A program that copies a cluster to a new directory; the copy is durable when it resolves. */
export interface Peer {
  readonly name: string;
  copy(source: TestPostgres, directory: string): Promise<void>;
}

/** The peers that are installed. */
export function installedPeers(): Peer[] {
  const [pgBasebackup, rsync] = [findTool("pg_basebackup"), findTool("rsync")];
  const peers: Peer[] = [];
  if (pgBasebackup !== undefined) {
    peers.push({
      name: "pg_basebackup",
      // It syncs what it wrote unless told not to.
      copy: (source, directory) =>
        runProgram(pgBasebackup, ["-d", source.uri, "-D", directory, "-X", "stream", "-c", "fast"]),
    });
  }
  if (rsync !== undefined) {
    peers.push({
      name: "rsync -a",
      async copy(source, directory) {
        await runProgram(rsync, ["-a", `${source.dataDir}/`, `${directory}/`]);
        await syncTree(directory);
      },
    });
  }
  return peers;
}

/** fsync of every file and directory; many at a time, so that the disk can order them. */
async function syncTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  const queue = [directory, ...paths].values();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const path of queue) {
        const file = await open(path);
        await file.sync().finally(() => file.close());
      }
    }),
  );
}
