import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listFiles } from "../../../scripts/support/list-files.js";
import { pageChecksum } from "../../../src/postgres/pages/page-checksum.js";

const PAGE = 8192;
const RELATION_FILE =
  /^(?:global|base\/\d+|pg_tblspc\/\d+\/PG_[^/]+\/\d+)\/\d+(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/;

/** Checks pd_checksum of every page of every relation of a cluster that was shut down. */
export function checkPages(dataDir: string): { pages: number; wrong: string[] } {
  const wrong: string[] = [];
  let pages = 0;
  for (const path of listFiles(dataDir, "")) {
    const match = RELATION_FILE.exec(path);
    if (match === null) continue;
    const bytes = readFileSync(join(dataDir, path));
    for (let offset = 0; offset < bytes.length; offset += PAGE) {
      const page = bytes.subarray(offset, offset + PAGE);
      if (page.every((byte) => byte === 0)) continue;
      pages++;
      const block = Number(match[1] ?? 0) * 131072 + offset / PAGE;
      if (pageChecksum(page, block) !== page.readUInt16LE(8)) wrong.push(`${path}, block ${block}`);
    }
  }
  return { pages, wrong };
}
