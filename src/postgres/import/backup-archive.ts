import tar from "tar-stream";
import { NeonError } from "../../errors.js";
import type { BackupContents } from "./backup-contents.js";
import { backupPath } from "./backup-file.js";
import type { BaseRecorder } from "./base-recorder.js";

/**
 * One tar archive of a base backup on its way into a recorder. tar-stream hands on views of what it is given: nothing is
 * copied, and it takes more than 2 GiB a second.
 */
export class BackupArchive {
  readonly #recorder: BaseRecorder;
  readonly #contents: BackupContents;
  readonly #prefix: string;
  /** Names are bytes: see byte-path.ts. */
  readonly #extract = tar.extract({ filenameEncoding: "latin1" } as Parameters<typeof tar.extract>[0]);
  readonly #recording: Promise<void>;
  #wake: () => void = () => undefined;

  /** `prefix` is where in the data directory the archive's files belong; empty for the data directory itself. */
  constructor(recorder: BaseRecorder, contents: BackupContents, prefix: string) {
    this.#recorder = recorder;
    this.#contents = contents;
    this.#prefix = prefix;
    this.#extract.on("drain", () => this.#wake());
    this.#extract.on("close", () => this.#wake());
    this.#recording = this.#record();
    this.#recording.catch(() => undefined); // write and finish report it
  }

  /** Takes the archive's next bytes, which are not changed afterwards. Resolves when more are welcome. */
  async write(data: Buffer): Promise<void> {
    if (this.#extract.destroyed) return this.#recording;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#extract.write(data)) return;
    await woken;
    if (this.#extract.destroyed) await this.#recording;
  }

  /** Ends the archive; its two final zero blocks may be missing (up to 14 they are). Throws 08P01 if it is cut short. */
  async finish(): Promise<void> {
    this.#extract.end(undefined);
    await this.#recording;
  }

  async #record(): Promise<void> {
    try {
      for await (const entry of this.#extract) {
        const { name, size = 0, type, pax } = entry.header;
        // tar-stream reads its names as UTF-8; no Postgres sends one.
        if (pax) throw new Error("there is a pax header");
        const path = backupPath(this.#prefix, name);
        const kind = type === "directory" ? "directory" : "file";
        const taken = (type === "directory" || type === "file") && this.#contents.takes(path, kind);
        if (taken && type === "directory") await this.#recorder.directory(path);
        if (!taken || type !== "file") {
          entry.resume();
          continue;
        }
        this.#recorder.begin(path, size);
        for await (const data of entry as AsyncIterable<Buffer>) await this.#recorder.write(data);
        await this.#recorder.end();
      }
    } catch (error) {
      this.#extract.destroy();
      throw error instanceof NeonError || (error as NodeJS.ErrnoException).code !== undefined
        ? error
        : malformed(error);
    }
  }
}

/** tar-stream's errors have neither class nor code. */
function malformed(cause: unknown): NeonError {
  return new NeonError("protocol_violation", "the base backup holds a malformed tar archive", {
    party: "source",
    detail: cause instanceof Error ? cause.message : undefined,
    cause,
  });
}
