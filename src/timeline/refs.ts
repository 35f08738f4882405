import type { NeonError } from "../errors.js";
import { LmdbIndex } from "./index/lmdb-index.js";

/**
 * The store's refs and index. Branches and slots are authoritative; the rest can be rebuilt from segments. A new table
 * takes a line here and one in `index/tables.ts`.
 */
export class Refs {
  readonly #index: LmdbIndex;
  readonly #assertHeld: () => void;
  readonly branch;
  readonly timeline;
  readonly extent;
  readonly segment;
  readonly damage;
  readonly lease;
  readonly slot;

  private constructor(index: LmdbIndex, assertHeld: () => void) {
    this.#index = index;
    this.#assertHeld = assertHeld;
    this.branch = index.table("branch");
    this.timeline = index.table("timeline");
    this.extent = index.table("extent");
    this.segment = index.table("segment");
    this.damage = index.table("damage");
    this.lease = index.table("lease");
    this.slot = index.table("slot");
  }

  /** Makes an empty index in `directory`, which must not be there. It is durable when this resolves. */
  static create(directory: string): Promise<void> {
    return LmdbIndex.create(directory);
  }

  /**
   * Opens the index in `directory`; the caller must be the only process. Makes nothing: throws XX001 if anything is missing
   * or not as it was written, 53100 if the disk is full. `assertHeld` throws once that is no longer so; every transaction
   * asks it.
   */
  static async open(directory: string, assertHeld = () => {}): Promise<Refs> {
    return new Refs(await LmdbIndex.open(directory), assertHeld);
  }

  /** Is called once, with 58030, when the disk has failed so that nothing can be written any more. */
  set onFatal(listener: ((error: NeonError) => void) | undefined) {
    this.#index.onFatal = listener;
  }

  /** Runs `change` in one write transaction and resolves when it is durable. If it throws, nothing has changed. */
  async transaction(change: () => void): Promise<void> {
    this.#assertHeld();
    await this.#index.transaction(change);
  }

  /** Throws XX001 unless everything is as it was written. */
  check(): void {
    this.#index.check();
  }

  close(): Promise<void> {
    return this.#index.close();
  }
}
