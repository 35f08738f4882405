import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type PageServerProcess, startPageServer } from "../support/neon.js";

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

  async killAndRestart(): Promise<void> {
    await this.#process.kill();
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

  /** Frees everything that no branch reaches, and counts the segments that are left. */
  async segmentsAfterGc(): Promise<number> {
    await this.neon("gc", "--all");
    return (await readdir(join(this.#directory, ".neon", "store", "segments"))).length;
  }
}
