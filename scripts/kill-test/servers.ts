import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { connect } from "../../src/pgwire/connect.js";
import { callStream } from "../../src/server/call.js";
import { fromHeadMessage } from "../../src/sync/head-message.js";
import type { Head } from "../../src/timeline/head.js";
import { type PageServerProcess, type RunningNeon, spawnNeon, startPageServer } from "../support/neon.js";

/** A page server that can be killed and started again. */
export class KillableServer {
  readonly #directory: string;
  #process: PageServerProcess;

  private constructor(directory: string, process: PageServerProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  static async start(directory: string): Promise<KillableServer> {
    return new KillableServer(directory, await startPageServer(directory));
  }

  get uri(): string {
    return this.#process.uri;
  }

  neon(...words: string[]): Promise<string> {
    return this.#process.neon(...words);
  }

  /** Starts a command and does not wait for its end. */
  spawn(...words: string[]): RunningNeon {
    return spawnNeon(this.#directory, ...words);
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  async restart(): Promise<void> {
    this.#process = await startPageServer(this.#directory);
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** Head of every branch, as text, by name. */
  async heads(): Promise<Map<string, string>> {
    const rows: { name: string; head: unknown }[] = JSON.parse(await this.neon("branch", "list", "--json"));
    return new Map(rows.map(({ name, head }) => [name, JSON.stringify(head)]));
  }

  /** Where a branch stands, without the time that a command takes to start; undefined if it does not exist. */
  async head(branch: string): Promise<Head | undefined> {
    const connection = await connect({ uri: this.uri, applicationName: "kill-test" });
    try {
      const branches = await callStream(connection, PageServerService.method.branchList, {});
      const found = branches.find(({ name }) => name === branch)?.head;
      return found && fromHeadMessage(found);
    } finally {
      connection.destroy();
    }
  }

  /** Frees everything that no branch reaches, and counts the segments that are left. */
  async segmentsAfterGc(): Promise<number> {
    await this.neon("gc", "--all", "--no-branches");
    return (await readdir(join(this.#directory, ".neon", "store", "segments"))).length;
  }
}
