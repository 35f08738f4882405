import { create } from "@bufbuild/protobuf";
import { type TableState, TableStateSchema } from "../../../gen/neon/store/v1/store_pb.js";
import { ENTRY_DIGEST_BYTES } from "./entry.js";

/** What a table holds, as a number and a sum that each entry changes. */
export class TableSum {
  #entries: bigint;
  readonly #sum: Buffer;

  /** Begins with what `state` says; with nothing if it is undefined. */
  constructor(state?: TableState) {
    this.#entries = state?.entries ?? 0n;
    this.#sum = Buffer.from(state?.sum ?? Buffer.alloc(ENTRY_DIGEST_BYTES));
  }

  /** Counts an entry, by the bytes that are stored for it. */
  add(stored: Uint8Array): void {
    this.#entries++;
    this.#mix(stored);
  }

  /** Counts an entry no more. */
  subtract(stored: Uint8Array): void {
    this.#entries--;
    this.#mix(stored);
  }

  /** As the index keeps it. */
  toState(name: string): TableState {
    return create(TableStateSchema, { name, entries: this.#entries, sum: Buffer.from(this.#sum) });
  }

  /** Whether it is what `state` says. */
  equals(state: TableState): boolean {
    return this.#entries === state.entries && this.#sum.equals(state.sum);
  }

  #mix(stored: Uint8Array): void {
    for (let i = 0; i < ENTRY_DIGEST_BYTES; i++) this.#sum[i] ^= stored[i];
  }
}
