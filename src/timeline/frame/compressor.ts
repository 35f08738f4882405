/**
 * Compresses and hashes frames' contents in worker threads.
 *
 * Content and payload lie in shared slots that are used again and again: nothing is copied to a worker, and the memory
 * that the codec allocates is freed where it was allocated. In libuv's thread pool, whose threads keep what they once
 * had, an import took three times the memory, and the event loop bore the garbage collector's work (measured).
 */
import { Worker } from "node:worker_threads";
import { Codec } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../errors.js";
import { MAX_FRAME_CONTENT_BYTES } from "../../limits.js";

/** Worker threads: one a core, and no more than keep up with a Postgres that sends. */
const WORKERS = 2;
/** Contents that can be in the making at once. */
const SLOTS = 8;

/** The shared memory of one slot. */
export interface SlotMemory {
  readonly content: SharedArrayBuffer;
  readonly payload: SharedArrayBuffer;
}

/** What a worker is asked for. */
export interface Job {
  readonly slot: number;
  readonly length: number;
}

interface Done {
  readonly slot: number;
  readonly shrunk: boolean;
  readonly storedLength: number;
  readonly sha256: Uint8Array;
}

/** Room for one content, to be given back. */
export interface Slot {
  readonly number: number;
  /** Where the content goes. Untouched memory costs nothing. */
  readonly content: Buffer;
}

/** A payload as it is stored. */
export interface StoredPayload {
  readonly codec: Codec;
  /** A view of the slot: gone when that is given back. */
  readonly payload: Buffer;
  readonly sha256: Buffer;
}

interface Waiting {
  resolve(done: Done): void;
  reject(error: unknown): void;
}

/** The process's compressor. Its threads start with the first content and never keep the process alive. */
export class Compressor {
  static #shared: Compressor | undefined;
  readonly #memory: SlotMemory[];
  readonly #free: Slot[];
  readonly #payloads: Buffer[];
  readonly #wanted: { resolve(slot: Slot): void; reject(error: unknown): void }[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #workers: Worker[];
  #next = 0;
  #failure: NeonError | undefined;

  private constructor() {
    this.#memory = Array.from({ length: SLOTS }, () => ({
      content: new SharedArrayBuffer(MAX_FRAME_CONTENT_BYTES),
      payload: new SharedArrayBuffer(MAX_FRAME_CONTENT_BYTES),
    }));
    this.#free = this.#memory.map(({ content }, number) => ({ number, content: Buffer.from(content) }));
    this.#payloads = this.#memory.map(({ payload }) => Buffer.from(payload));
    this.#workers = Array.from({ length: WORKERS }, () => this.#startWorker());
  }

  /** The one of this process: another one after a failure, so it is asked for each time. */
  static shared(): Compressor {
    Compressor.#shared ??= new Compressor();
    return Compressor.#shared;
  }

  /** A slot, as soon as one is free; in the order of the calls. Throws XX000 once a thread has failed. */
  async acquire(): Promise<Slot> {
    if (this.#failure !== undefined) throw this.#failure;
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    return new Promise((resolve, reject) => this.#wanted.push({ resolve, reject }));
  }

  /** Gives a slot back. */
  release(slot: Slot): void {
    const wanted = this.#wanted.shift();
    if (wanted === undefined) this.#free.push(slot);
    else wanted.resolve(slot);
  }

  /**
   * Compresses the first `length` bytes of a slot's content; content that does not shrink stays as it is. Throws XX000 once
   * a thread has failed.
   */
  async compress(slot: Slot, length: number): Promise<StoredPayload> {
    if (this.#failure !== undefined) throw this.#failure;
    const worker = this.#workers[this.#next++ % WORKERS];
    const done = await new Promise<Done>((resolve, reject) => {
      this.#waiting.set(slot.number, { resolve, reject });
      if (this.#waiting.size === 1) for (const each of this.#workers) each.ref();
      worker.postMessage({ slot: slot.number, length } satisfies Job);
    });
    const stored = done.shrunk ? this.#payloads[slot.number] : slot.content;
    return {
      codec: done.shrunk ? Codec.LZ4 : Codec.NONE,
      payload: stored.subarray(0, done.storedLength),
      sha256: Buffer.from(done.sha256),
    };
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL("./compressor-worker.js", import.meta.url), {
      workerData: this.#memory,
    });
    worker.unref();
    worker.on("message", (done: Done) => {
      const waiting = this.#waiting.get(done.slot);
      this.#waiting.delete(done.slot);
      if (this.#waiting.size === 0) for (const each of this.#workers) each.unref();
      waiting?.resolve(done);
    });
    worker.on("error", (cause) => this.#fail(cause));
    return worker;
  }

  /** Everything in the making fails; whoever asks next gets new threads. */
  #fail(cause: unknown): void {
    if (Compressor.#shared === this) Compressor.#shared = undefined;
    this.#failure ??= new NeonError("internal_error", "a compressing thread failed", { cause });
    for (const { reject } of [...this.#waiting.values(), ...this.#wanted.splice(0)]) reject(this.#failure);
    this.#waiting.clear();
    for (const worker of this.#workers) void worker.terminate();
  }
}
