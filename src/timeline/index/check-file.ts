import { fromBinary } from "@bufbuild/protobuf";
import { type IndexState, IndexStateSchema, type TableState } from "../../../gen/neon/store/v1/store_pb.js";
import { isDamage } from "../is-damage.js";
import { damagedIndex } from "./damaged-index.js";
import { openEntry } from "./entry.js";
import { LmdbFile } from "./lmdb-file.js";
import { readTree, TREE_BYTES, type Tree } from "./lmdb-meta.js";
import { TableSum } from "./table-sum.js";
import { STATE, TABLE_NAMES } from "./tables.js";

/** Version of what the tables hold. */
export const INDEX_FORMAT = 1;

/**
 * Reads the index's file whole, and throws XX001 unless everything in it that LMDB goes by, or gives back, is as it was
 * written: each page, each entry, what each table holds, and that they are the known tables. Returns what they hold.
 */
export function checkFile(path: string): IndexState {
  return LmdbFile.use(path, (file) => {
    const trees = readTrees(file, path);
    const expected = [...TABLE_NAMES, STATE].map(keyOf).toSorted().join();
    if ([...trees.keys()].toSorted().join() !== expected)
      throw damagedIndex("its tables are not those that it was made with", path);
    const state = readState(file, path, trees.get(keyOf(STATE)));
    const names = state.tables.map(({ name }) => name);
    if (state.format !== INDEX_FORMAT || names.join() !== TABLE_NAMES.join())
      throw damagedIndex("another version of neon wrote it", path);
    for (const table of state.tables) readTable(file, path, trees.get(keyOf(table.name)), table, () => {});
    file.checkFreePages();
    return state;
  });
}

/** The entries of one table, if all of them are as they were written, whatever has become of the rest of the file. */
export function readSoundTable(path: string, name: string): { key: Buffer; value: Buffer }[] | undefined {
  const entries: { key: Buffer; value: Buffer }[] = [];
  try {
    LmdbFile.use(path, (file) => {
      const trees = readTrees(file, path);
      const table = readState(file, path, trees.get(keyOf(STATE))).tables.find(
        (state) => state.name === name,
      );
      if (table === undefined) throw damagedIndex(`it does not say what its table ${name} holds`, path);
      readTable(file, path, trees.get(keyOf(name)), table, (key, value) => entries.push({ key, value }));
    });
    return entries;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Calls `take` with the entries of a table; throws XX001 unless they are all that it is known to hold. */
function readTable(
  file: LmdbFile,
  path: string,
  tree: Tree | undefined,
  state: TableState,
  take: (key: Buffer, value: Buffer) => void,
): void {
  const { name } = state;
  if (tree === undefined) throw damagedIndex(`it has no table ${name}`, path);
  const sum = new TableSum();
  file.walk(tree, Buffer.compare, ({ key, value: stored, isTree }) => {
    const value = isTree ? undefined : openEntry(name, key, stored);
    if (value === undefined)
      throw damagedIndex(`an entry of its table ${name} is not as it was written`, path);
    sum.add(stored);
    take(key, value);
  });
  if (!sum.equals(state))
    throw damagedIndex(`its table ${name} does not hold the entries that it should`, path);
}

/** Every table, by its name as LMDB keeps it. */
function readTrees(file: LmdbFile, path: string): Map<string, Tree> {
  const trees = new Map<string, Tree>();
  if (file.meta.main.flags !== 0) throw damagedIndex("its tables are of another kind", path);
  file.walk(file.meta.main, Buffer.compare, ({ key, value, isTree }) => {
    if (!isTree || value.length !== TREE_BYTES || value.readUInt32LE(0) !== 0)
      throw damagedIndex("it holds something that is no table", path);
    const tree = readTree(value);
    if (tree.flags !== 0) throw damagedIndex("its tables are of another kind", path);
    trees.set(key.toString(), tree);
  });
  return trees;
}

function readState(file: LmdbFile, path: string, tree: Tree | undefined): IndexState {
  let state: IndexState | undefined;
  if (tree === undefined) throw damagedIndex(`it has no table ${STATE}`, path);
  file.walk(tree, Buffer.compare, ({ key, value }) => {
    const bytes = key.toString() === STATE ? openEntry(STATE, key, value) : undefined;
    state = bytes && fromBinary(IndexStateSchema, Buffer.from(bytes));
  });
  if (state === undefined) throw damagedIndex("it does not say what its tables hold", path);
  return state;
}

/** The name of a table as LMDB keeps it. */
function keyOf(name: string): string {
  return `${name}\0`;
}
