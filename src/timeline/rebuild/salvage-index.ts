import { readFile } from "node:fs/promises";
import { openEntry } from "../index/entry.js";
import { readTreePage } from "../index/lmdb-page.js";
import { type KeyOf, TABLES, type TableKind, type TableName, type ValueOf } from "../index/tables.js";

/** What LMDB takes for its pages on the hosts that we know (the operating system's page size), in bytes. */
const PAGE_SIZES = [4096, 16384, 65536];

/**
 * Reads from the file of a damaged index whatever entry of a table proves by its digest to be as it was written, wherever
 * it lies: of a key the one of the latest transaction. Entries that were removed can be among them, as LMDB writes no page
 * in place. Nothing if there is no file.
 */
export async function salvageTable<N extends TableName>(
  path: string,
  name: N,
): Promise<Map<KeyOf<N>, ValueOf<N>>> {
  const file = await readFile(path).catch(() => Buffer.alloc(0));
  const kind = TABLES[name] as unknown as TableKind<KeyOf<N>, ValueOf<N>>;
  const latest = new Map<string, { transaction: number; key: Buffer; value: Buffer }>();
  for (const size of PAGE_SIZES) {
    for (let number = 0; (number + 1) * size <= file.length; number++) {
      const page = readTreePage(file.subarray(number * size, (number + 1) * size), number);
      if (page === undefined || !page.isLeaf) continue;
      for (const { key, value, isTree } of page.nodes) {
        const opened = value === undefined || isTree ? undefined : openEntry(name, key, value);
        const known = latest.get(key.toString("latin1"));
        if (opened === undefined || (known !== undefined && known.transaction > page.transaction)) continue;
        latest.set(key.toString("latin1"), { transaction: page.transaction, key, value: opened });
      }
    }
    if (latest.size > 0) break;
  }
  return new Map(
    Array.from(latest.values(), ({ key, value }) => [
      kind.keys.decode(Buffer.from(key)),
      kind.values.decode(Buffer.from(value)),
    ]),
  );
}
