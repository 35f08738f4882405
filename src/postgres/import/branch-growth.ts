import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { Lsn } from "../../lsn.js";
import type { ChainWriter } from "../../timeline/chain-writer.js";
import type { RecordInit } from "../../timeline/frame/record-batch.js";
import type { Branch, Store } from "../../timeline/store.js";
import type { WalSink } from "./wal-recorder.js";

/** A branch that grows by WAL. What was appended shows when the branch moves, and only then. */
export class BranchGrowth implements WalSink {
  /** Frames and their bytes at rest by which the branch has grown. */
  frames = 0;
  bytes = 0;
  readonly #store: Store;
  #branch: Branch;
  #writer: ChainWriter | undefined;
  #endLsn: Lsn;

  constructor(store: Store, branch: Branch) {
    this.#store = store;
    this.#branch = branch;
    this.#endLsn = branch.head.lsn;
  }

  /** The branch as it stands. */
  get branch(): Branch {
    return this.#branch;
  }

  /** See WalSink. */
  async appendWal(endLsn: Lsn, records: RecordInit[]): Promise<void> {
    this.#writer ??= await this.#store.beginChain(this.#branch);
    const startLsn = this.#endLsn;
    this.#endLsn = endLsn;
    await this.#writer.append(FrameKind.WAL, startLsn, endLsn, records);
  }

  /** Makes what was appended durable and moves the branch to its end. Throws 40001 if somebody else has moved it. */
  async move(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    const { name, head } = this.#branch;
    this.#branch = await this.#store.advanceBranch(name, head, writer);
    this.#writer = undefined;
    this.frames += writer.frames;
    this.bytes += writer.bytes;
  }

  /** Drops what was appended since the last move. */
  async discard(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#endLsn = this.#branch.head.lsn;
    // A failure to clean up would hide the reason; the store deletes leftovers when it is opened.
    await writer?.abort().catch(() => undefined);
  }
}
