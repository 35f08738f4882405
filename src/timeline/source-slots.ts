import type { SourceSlot } from "../../gen/neon/store/v1/store_pb.js";
import type { Refs } from "./refs.js";

/** The durable list of the replication slots that a repository has made on the servers that it imports. */
export class SourceSlots {
  readonly #refs: Refs;

  constructor(refs: Refs) {
    this.#refs = refs;
  }

  /** All of them, in the order of their names. */
  list(): SourceSlot[] {
    return Array.from(this.#refs.slot.entries(), ([, slot]) => slot);
  }

  /** Those that keep WAL for a branch. */
  ofBranch(branch: string): SourceSlot[] {
    return this.list().filter((slot) => slot.branch === branch);
  }

  /** Puts one on the list, in the place of one of the same name and address. Durable when it resolves. */
  async put(slot: SourceSlot): Promise<void> {
    await this.#refs.transaction(() => this.#refs.slot.put(keyOf(slot), slot));
  }

  /** Takes one off the list. */
  async remove(slot: SourceSlot): Promise<void> {
    await this.#refs.transaction(() => this.#refs.slot.remove(keyOf(slot)));
  }

  /** Has them follow a branch to its new name. Must run inside a write transaction. */
  renameBranch(branch: string, newName: string): void {
    for (const slot of this.ofBranch(branch)) this.#refs.slot.put(keyOf(slot), { ...slot, branch: newName });
  }
}

function keyOf({ name, address }: SourceSlot): string {
  return `${name}@${address}`;
}
