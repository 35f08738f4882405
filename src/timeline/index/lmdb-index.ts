import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { open, type RootDatabase } from "lmdb";
import { type IndexState, IndexStateSchema } from "../../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../../errors.js";
import { syncDirectory, syncFile } from "../../sync-path.js";
import { checkFile, INDEX_FORMAT } from "./check-file.js";
import { damagedIndex } from "./damaged-index.js";
import { sealEntry } from "./entry.js";
import { type RawTable, Table } from "./table.js";
import { TableSum } from "./table-sum.js";
import {
  type KeyOf,
  STATE,
  TABLE_NAMES,
  TABLES,
  type TableKind,
  type TableName,
  type ValueOf,
} from "./tables.js";
import { clearVoid, hasVoid, markVoid } from "./void-transaction.js";

/** LMDB's name for the file of an environment. */
export const DATA_FILE = "data.mdb";

/** What LMDB may write on opening, in bytes: its lock table, its meta pages and the first pages of each database. */
const OPENING_BYTES = 128 * 1024;

const STATE_KEY = Buffer.from(STATE);

/**
 * The tables of the index in one LMDB environment, all under digests.
 *
 * lmdb-js: the default `overlappingSync` shows a commit before it is durable; without it a commit costs the same and the
 * order is safe. An async `transaction()` that throws keeps its writes, hence `transactionSync` only.
 */
export class LmdbIndex {
  /** Called once, with 58030, when the disk has failed beneath a commit: nothing can be written any more. */
  onFatal: ((error: NeonError) => void) | undefined;

  readonly #path: string;
  readonly #root: RootDatabase;
  readonly #raw = new Map<string, RawTable>();
  #state: IndexState;
  /** Within a transaction: what the tables hold by now. */
  #sums: Map<string, TableSum> | undefined;
  #failure: NeonError | undefined;

  private constructor(path: string, root: RootDatabase, state?: IndexState) {
    this.#path = path;
    this.#root = root;
    for (const name of [...TABLE_NAMES, STATE]) {
      // Not in lmdb's types, but in what it reads: without `create` it gives undefined for a table that is not there.
      const options = { encoding: "binary", keyEncoding: "binary", create: state === undefined } as const;
      const raw: RawTable | undefined = root.openDB(name, options);
      if (raw === undefined) throw damagedIndex(`it has no table ${name}`, path);
      this.#raw.set(name, raw);
    }
    this.#state = state ?? emptyState();
  }

  /** Makes an empty index in `directory`, durable. */
  static async create(directory: string): Promise<void> {
    await mkdir(directory, { mode: 0o700 });
    const path = join(directory, DATA_FILE);
    const index = new LmdbIndex(path, openEnvironment(directory));
    await index.transaction(() => {});
    await index.close();
    await syncFile(path);
    await syncDirectory(directory);
    await syncDirectory(dirname(directory));
  }

  /**
   * Opens the index in `directory`. LMDB is no lock: the caller must be the only process. Throws XX001 if it is missing or
   * not as it was written, 53100 if the disk is full.
   */
  static async open(directory: string): Promise<LmdbIndex> {
    const path = join(directory, DATA_FILE);
    const state = checkFile(path);
    // LMDB writes through memory maps, where a full disk ends the process (SIGBUS).
    const obstacle = lackOfRoom(directory);
    if (obstacle !== undefined) throw obstacle;
    const root = openEnvironment(directory);
    try {
      const index = new LmdbIndex(path, root, state);
      if (hasVoid(path)) {
        await index.transaction(() => {});
        clearVoid(path);
      }
      return index;
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  table<N extends TableName>(name: N): Table<KeyOf<N>, ValueOf<N>> {
    const kind = TABLES[name] as unknown as TableKind<KeyOf<N>, ValueOf<N>>;
    return new Table(
      name,
      kind,
      () => this.#usableTable(name),
      () => this.#sum(name),
    );
  }

  /**
   * Runs `change` in one write transaction and resolves when it is durable. If `change` throws, nothing has changed.
   * Throws 58030 once the disk has failed.
   */
  async transaction(change: () => void): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    let reason: { readonly error: unknown } | undefined;
    const before = this.#state;
    try {
      this.#root.transactionSync(() => {
        try {
          this.#change(change);
        } catch (error) {
          reason = { error };
          throw error;
        }
      });
      await this.#root.flushed;
    } catch (error) {
      this.#state = before;
      throw reason !== undefined && !isLmdbs(reason.error)
        ? error
        : this.#endUnlessUsable(this.#failed(error));
    }
  }

  /** Throws XX001 unless everything is as it was written, which is read from the file itself. */
  check(): void {
    const state = checkFile(this.#path);
    const equal = state.tables.every((table, i) => new TableSum(table).equals(this.#state.tables[i]));
    if (!equal) throw damagedIndex("it does not hold what was written last", this.#path);
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  #change(change: () => void): void {
    this.#sums = new Map(this.#state.tables.map((table) => [table.name, new TableSum(table)]));
    try {
      change();
      const tables = Array.from(this.#sums, ([name, sum]) => sum.toState(name));
      const state = { ...this.#state, tables };
      const value = toBinary(IndexStateSchema, state);
      this.#rawTable(STATE).putSync(STATE_KEY, sealEntry(STATE, STATE_KEY, value));
      this.#state = state;
    } finally {
      this.#sums = undefined;
    }
  }

  #sum(name: string): TableSum {
    const sum = this.#sums?.get(name);
    if (sum === undefined)
      throw new NeonError("internal_error", `table ${name} is changed outside a transaction`);
    return sum;
  }

  /**
   * Once LMDB could not write its meta page, for whatever reason, it must not be asked for anything, reads among it: its
   * transactions fail to begin, which lmdb-js does not notice, and the process dies of corrupt memory.
   */
  #endUnlessUsable(error: NeonError): NeonError {
    if (this.#failure !== undefined) return error;
    try {
      this.#root.transactionSync(() => {});
    } catch {
      markVoid(this.#path);
      this.#failure = error;
      this.onFatal?.(error);
    }
    return error;
  }

  #usableTable(name: string): RawTable {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#rawTable(name);
  }

  #rawTable(name: string): RawTable {
    return this.#raw.get(name) as RawTable;
  }

  /** What to throw for a commit that failed: beneath LMDB, or in it. */
  #failed(thrown: unknown): NeonError {
    const error = NeonError.from(thrown);
    if (error.code === "disk_full") return error;
    // LMDB takes a write that ends early for an input/output error.
    const obstacle = error.code === "io_error" ? lackOfRoom(dirname(this.#path)) : undefined;
    if (obstacle?.code === "disk_full") return obstacle;
    markVoid(this.#path);
    this.#failure = new NeonError("io_error", `the index of the store cannot be written: ${error.message}`, {
      hint: "The disk may be failing; the system's log may say so. What was acknowledged is there. A new start of the page server goes on from there.",
      cause: thrown,
    });
    this.onFatal?.(this.#failure);
    return this.#failure;
  }
}

function openEnvironment(directory: string): RootDatabase {
  return open({ path: directory, overlappingSync: false, maxDbs: TABLE_NAMES.length + 1 });
}

function emptyState(): IndexState {
  return create(IndexStateSchema, {
    format: INDEX_FORMAT,
    repositoryId: randomBytes(16),
    tables: TABLE_NAMES.map((name) => new TableSum().toState(name)),
  });
}

/** Whether LMDB threw it, which gives numbers for codes. */
function isLmdbs(error: unknown): boolean {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "number";
}

/** What stands in the way of writing a little: 53100 if the disk is full. */
function lackOfRoom(directory: string): NeonError | undefined {
  const path = join(directory, "room");
  try {
    writeFileSync(path, Buffer.alloc(OPENING_BYTES), { mode: 0o600 });
    return undefined;
  } catch (error) {
    return NeonError.from(error);
  } finally {
    rmSync(path, { force: true });
  }
}
