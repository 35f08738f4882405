import type { Database } from "lmdb";
import { NeonError } from "../../errors.js";
import { damagedIndex } from "./damaged-index.js";
import { openEntry, sealEntry } from "./entry.js";
import type { TableSum } from "./table-sum.js";
import type { TableKind } from "./tables.js";

/** A table as it is kept: bytes by bytes. */
export type RawTable = Database<Buffer, Buffer>;

/**
 * One table of the index. Every value is checked against its digest when it is read, which throws XX001; every change is
 * counted in the table's sum.
 */
export class Table<K, V> {
  readonly #name: string;
  readonly #kind: TableKind<K, V>;
  readonly #usable: () => RawTable;
  readonly #sum: () => TableSum;

  /**
   * `usable` gives the table as it is kept, and throws where it must not be read any more; `sum` gives the table's sum
   * within a transaction, and throws outside.
   */
  constructor(name: string, kind: TableKind<K, V>, usable: () => RawTable, sum: () => TableSum) {
    this.#name = name;
    this.#kind = kind;
    this.#usable = usable;
    this.#sum = sum;
  }

  get(key: K): V | undefined {
    const bytes = this.#encode(key);
    const stored = this.#read(bytes);
    return stored && this.#open(bytes, stored);
  }

  /** Belongs inside a transaction, as {@link remove} does. */
  put(key: K, value: V): void {
    const bytes = this.#encode(key);
    const sum = this.#subtract(bytes);
    const stored = sealEntry(this.#name, bytes, this.#kind.values.encode(value));
    this.#usable().putSync(bytes, stored);
    sum.add(stored);
  }

  /** No error if there is none. */
  remove(key: K): void {
    const bytes = this.#encode(key);
    this.#subtract(bytes);
    this.#usable().removeSync(bytes);
  }

  /** Whether it has no entry. */
  get empty(): boolean {
    for (const _ of this.#usable().getKeys({ limit: 1 })) return false;
    return true;
  }

  /** Keys and values in the order of the keys: all, or those from `start` up to, not including, `end`. */
  *entries(start?: K, end?: K): Iterable<[K, V]> {
    const range = {
      ...(start !== undefined && { start: this.#encode(start) }),
      ...(end !== undefined && { end: this.#encode(end) }),
    };
    for (const { key, value } of this.#usable().getRange(range)) {
      const bytes = Buffer.from(key);
      yield [this.#kind.keys.decode(bytes), this.#open(bytes, Buffer.from(value))];
    }
  }

  /** Takes an entry out of the sum, which it returns. Throws XX001 for one that is damaged: nothing may cover that up. */
  #subtract(key: Buffer): TableSum {
    const sum = this.#sum();
    const stored = this.#read(key);
    if (stored === undefined) return sum;
    this.#open(key, stored);
    sum.subtract(stored);
    return sum;
  }

  #read(key: Buffer): Buffer | undefined {
    const stored = this.#usable().get(key);
    // The memory belongs to LMDB until the read transaction ends; decoding keeps views.
    return stored && Buffer.from(stored);
  }

  #open(key: Buffer, stored: Buffer): V {
    const value = openEntry(this.#name, key, stored);
    if (value === undefined)
      throw damagedIndex(`an entry of its table ${this.#name} is not as it was written`);
    return this.#kind.values.decode(value);
  }

  #encode(key: K): Buffer {
    const bytes = this.#kind.keys.encode(key);
    if (bytes.length === 0) throw new NeonError("internal_error", `an empty key for table ${this.#name}`);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}
