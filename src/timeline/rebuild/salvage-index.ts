import { readFile } from "node:fs/promises";
import { readSoundTable } from "../index/check-file.js";
import { openEntry } from "../index/entry.js";
import { readTreePage } from "../index/lmdb-page.js";
import { type KeyOf, TABLES, type TableKind, type TableName, type ValueOf } from "../index/tables.js";

/** What LMDB takes for its pages on the hosts that we know (the operating system's page size), in bytes. */
const PAGE_SIZES = [4096, 16384, 65536];

/** What a damaged index still tells of one of its tables. */
export interface Salvaged<K, V> {
  readonly entries: ReadonlyMap<K, V>;
  /** Whether these are all, and no others: the damage lies elsewhere. */
  readonly isWhole: boolean;
}

/**
 * Reads a table from the file of a damaged index: as it stands there if it is whole, and otherwise whatever entry proves by
 * its digest to be as it was written, wherever it lies, of a key the one of the latest transaction. Entries that were
 * removed can then be among them, as LMDB writes no page in place. Nothing if there is no file.
 */
export async function salvageTable<N extends TableName>(
  path: string,
  name: N,
): Promise<Salvaged<KeyOf<N>, ValueOf<N>>> {
  const kind = TABLES[name] as unknown as TableKind<KeyOf<N>, ValueOf<N>>;
  const whole = readSoundTable(path, name);
  const found = whole ?? scanPages(await readFile(path).catch(() => Buffer.alloc(0)), name);
  const entries = found.map(
    ({ key, value }) => [kind.keys.decode(Buffer.from(key)), kind.values.decode(Buffer.from(value))] as const,
  );
  return { entries: new Map(entries), isWhole: whole !== undefined };
}

interface Found {
  readonly key: Buffer;
  readonly value: Buffer;
}

function scanPages(file: Buffer, name: string): Found[] {
  const latest = new Map<string, Found & { readonly transaction: number }>();
  for (const size of PAGE_SIZES) {
    for (let number = 0; (number + 1) * size <= file.length; number++) {
      const page = readTreePage(file.subarray(number * size, (number + 1) * size), number);
      if (page === undefined || !page.isLeaf) continue;
      const { transaction } = page;
      for (const { key, value, isTree } of page.nodes) {
        const opened = value === undefined || isTree ? undefined : openEntry(name, key, value);
        const known = latest.get(key.toString("latin1"));
        if (opened === undefined || (known !== undefined && known.transaction > transaction)) continue;
        latest.set(key.toString("latin1"), { transaction, key, value: opened });
      }
    }
    if (latest.size > 0) break;
  }
  return [...latest.values()];
}
