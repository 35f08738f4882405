import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Message } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type Database, open, type RootDatabase } from "lmdb";
import {
  BranchRefSchema,
  LeaseSchema,
  SegmentDamageSchema,
  SegmentInfoSchema,
  SourceSlotSchema,
  TimelineInfoSchema,
} from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { assertLmdbFile } from "./assert-lmdb-file.js";

/**
 * The store's refs and index in one LMDB environment. Branches and slots are authoritative; the rest can be rebuilt
 * from segments.
 *
 * lmdb-js: the default `overlappingSync` shows a commit before it is durable; without it a commit costs the same and the
 * order is safe. An async `transaction()` that throws keeps its writes, hence `transactionSync` only.
 */
export class Refs {
  readonly #root: RootDatabase;
  /** By branch name. */
  readonly branch;
  /** By timeline id (hex). */
  readonly timeline;
  /** Segment id (hex) by [timeline id (hex), first seq]. */
  readonly extent: Database<string, [string, number]>;
  /** By segment id (hex). */
  readonly segment;
  /** By segment id (hex). Nearly always empty. */
  readonly damage;
  /** By session id (hex). */
  readonly lease;
  /** By `name@address` of the slot. Nothing else knows them: not to be rebuilt from segments. */
  readonly slot;

  private constructor(root: RootDatabase) {
    this.#root = root;
    this.branch = this.#table(BranchRefSchema, "branch");
    this.timeline = this.#table(TimelineInfoSchema, "timeline");
    this.extent = root.openDB({ name: "extent", encoding: "string" });
    this.segment = this.#table(SegmentInfoSchema, "segment");
    this.damage = this.#table(SegmentDamageSchema, "damage");
    this.lease = this.#table(LeaseSchema, "lease");
    this.slot = this.#table(SourceSlotSchema, "slot");
  }

  /**
   * Opens the environment in `directory`. LMDB is no lock: the caller must be the only process. Throws XX001 if it is
   * damaged where LMDB would not say so, or missing though it is `needed`, 53100 if the disk is full.
   */
  static open(directory: string, needed = false): Refs {
    assertLmdbFile(join(directory, DATA_FILE), needed);
    assertRoom(directory);
    return new Refs(open({ path: directory, overlappingSync: false, maxDbs: 8 }));
  }

  /** Runs `change` in one write transaction and resolves when it is durable. If it throws, nothing has changed. */
  async transaction(change: () => void): Promise<void> {
    this.#root.transactionSync(change);
    await this.#root.flushed;
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  #table<T extends Message>(schema: GenMessage<T>, name: string): Table<T> {
    return new Table(this.#root.openDB({ name, encoding: "binary" }), schema);
  }
}

/** LMDB's name for the file of an environment. */
const DATA_FILE = "data.mdb";

/** What LMDB may write on opening, in bytes: its lock table, its meta pages and the first pages of each database. */
const OPENING_BYTES = 128 * 1024;

/** Throws 53100 if the disk is full: LMDB writes through memory maps, where a full disk ends the process (SIGBUS). */
function assertRoom(directory: string): void {
  const path = join(directory, "room");
  try {
    writeFileSync(path, Buffer.alloc(OPENING_BYTES), { mode: 0o600 });
  } catch (error) {
    throw NeonError.from(error);
  } finally {
    rmSync(path, { force: true });
  }
}

type Key = string | string[];

/** A database whose values are messages of one schema. Writes belong inside {@link Refs.transaction}. */
export class Table<T extends Message> {
  readonly #database: Database<Buffer, Key>;
  readonly #schema: GenMessage<T>;

  constructor(database: Database<Buffer, Key>, schema: GenMessage<T>) {
    this.#database = database;
    this.#schema = schema;
  }

  get(key: Key): T | undefined {
    const bytes = this.#database.get(key);
    // The value's memory belongs to LMDB until the read transaction ends; decoding keeps views of `bytes`.
    return bytes === undefined ? undefined : fromBinary(this.#schema, Buffer.from(bytes));
  }

  put(key: Key, value: T): void {
    this.#database.putSync(key, Buffer.from(toBinary(this.#schema, value)));
  }

  remove(key: Key): void {
    this.#database.removeSync(key);
  }

  /** Whether it has no entry. */
  get empty(): boolean {
    for (const _ of this.#database.getKeys({ limit: 1 })) return false;
    return true;
  }

  /** Keys and values in the order of the keys. */
  *entries(): Iterable<[Key, T]> {
    for (const { key, value } of this.#database.getRange())
      yield [key, fromBinary(this.#schema, Buffer.from(value))];
  }
}
