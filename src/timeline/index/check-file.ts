import { fromBinary } from "@bufbuild/protobuf";
import { type IndexState, IndexStateSchema } from "../../../gen/neon/store/v1/store_pb.js";
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
    const state = readState(file, path, trees.get(keyOf(STATE)) as Tree);
    for (const table of state.tables) {
      const sum = new TableSum();
      file.walk(trees.get(keyOf(table.name)) as Tree, Buffer.compare, ({ key, value, isTree }) => {
        if (isTree || openEntry(table.name, key, value) === undefined)
          throw damagedIndex(`an entry of its table ${table.name} is not as it was written`, path);
        sum.add(value);
      });
      if (!sum.equals(table))
        throw damagedIndex(`its table ${table.name} does not hold the entries that it should`, path);
    }
    file.checkFreePages();
    return state;
  });
}

function readTrees(file: LmdbFile, path: string): Map<string, Tree> {
  const trees = new Map<string, Tree>();
  if (file.meta.main.flags !== 0) throw damagedIndex("its tables are of another kind", path);
  file.walk(file.meta.main, Buffer.compare, ({ key, value, isTree }) => {
    if (!isTree || value.length !== TREE_BYTES || value.readUInt32LE(0) !== 0)
      throw damagedIndex("it holds something that is no table", path);
    trees.set(key.toString(), readTree(value));
  });
  const expected = [...TABLE_NAMES, STATE].map(keyOf).toSorted().join();
  const names = [...trees.keys()].toSorted().join();
  const plain = [...trees.values()].every(({ flags }) => flags === 0);
  if (names !== expected || !plain)
    throw damagedIndex("its tables are not those that it was made with", path);
  return trees;
}

function readState(file: LmdbFile, path: string, tree: Tree): IndexState {
  let state: IndexState | undefined;
  file.walk(tree, Buffer.compare, ({ key, value }) => {
    const bytes = key.toString() === STATE ? openEntry(STATE, key, value) : undefined;
    state = bytes && fromBinary(IndexStateSchema, Buffer.from(bytes));
  });
  if (state === undefined) throw damagedIndex("it does not say what its tables hold", path);
  const names = state.tables.map(({ name }) => name);
  if (state.format !== INDEX_FORMAT || names.join() !== TABLE_NAMES.join())
    throw damagedIndex("another version of neon wrote it", path);
  return state;
}

/** The name of a table as LMDB keeps it. */
function keyOf(name: string): string {
  return `${name}\0`;
}
