import { execFile } from "node:child_process";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { connectSocket } from "../../src/pgwire/connect.js";
import type { Connection } from "../../src/pgwire/connection.js";
import { initRepository, socketPath, storePath } from "../../src/server/config.js";
import type { Logger } from "../../src/server/log.js";
import { PageServer } from "../../src/server/page-server.js";
import { Store } from "../../src/timeline/store.js";
import { contradictionsIn, writeChain } from "./temporary-store.js";

/** A page server on a repository of its own, on a free port of the loopback interface. */
export interface TemporaryServer {
  readonly server: PageServer;
  /** The `.neon` directory. */
  readonly directory: string;
  /** Its URI, without a user. */
  readonly uri: string;
  /** What it logged, a line an entry. */
  readonly logged: readonly string[];
  /** Connects to `.neon/socket`. */
  connect(): Promise<Connection>;
  /** Closes it and removes the repository. Throws if its index contradicts itself or the frames. */
  remove(): Promise<void>;
}

/** Starts a page server whose repository has the branches named, each a small chain of its own. */
export async function temporaryServer(
  options: { branches?: readonly string[]; fill?: (store: Store) => Promise<void> } = {},
): Promise<TemporaryServer> {
  const temporary = await createTemporaryDirectory("neon-server-");
  const directory = await initRepository(temporary.path, { listen: "127.0.0.1:0" });
  const store = await Store.open(storePath(directory));
  for (const name of options.branches ?? []) await store.createBranch(name, await writeChain(store));
  await options.fill?.(store);
  await store.close();
  const logged: string[] = [];
  const server = await PageServer.start({ directory, log: recordingLog(logged) });
  return {
    server,
    directory,
    uri: `postgresql://${server.listenAddress}/`,
    logged,
    connect: () => connectSocket(socketPath(directory)),
    async remove() {
      await server.abort();
      const contradictions = await contradictionsIn(storePath(directory));
      await temporary.remove();
      if (contradictions.length > 0) throw new Error(contradictions.join("\n"));
    },
  };
}

function recordingLog(lines: string[]): Logger {
  const record = (details: object, text: string) => {
    lines.push(JSON.stringify({ ...details, text }));
  };
  return { info: record, warn: record, error: record };
}

/** What a run of psql printed. */
export interface PsqlResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the machine's own psql with one command. */
export function runPsql(psql: string, uri: string, command: string, ...more: string[]): Promise<PsqlResult> {
  return new Promise((resolve) => {
    const words = ["-X", "-d", uri, ...more, "-c", command];
    const env = { ...process.env, PGUSER: "tester", PGCONNECT_TIMEOUT: "10" };
    execFile(psql, words, { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
