import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BLOCK_SIZE } from "../../limits.js";

const USUAL_NAME = "postgres";
const PG_AUTHID = 1260;
const BOOTSTRAP_SUPERUSER = 10;
const NAME_BYTES = 64;

// The map of relations (relmapper.c): magic, number of entries, then pairs of OID and file number.
const MAP_MAGIC = 0x592717;
const MAP_HEADER = 8;
const MAP_ENTRIES = 64;

// A heap page (bufpage.h): lower end of the free space at 12; line pointers from 24 on, of which 2 bits say "normal".
const PAGE_LOWER = 12;
const PAGE_HEADER = 24;
const POINTER_NORMAL = 1;
/** Offset of t_hoff in a heap tuple: where its columns begin. pg_authid's first are oid and rolname. */
const TUPLE_HOFF = 22;

/**
 * The name of the superuser that initdb made, as the base backup has it: the role to log in as where no other is known.
 * Only a proposal: what it reads was not recovered yet, so that whatever is unclear gives the usual name.
 */
export async function bootstrapSuperuser(root: string): Promise<string> {
  try {
    const fileNumber = authidFile(await readFile(join(root, "global", "pg_filenode.map")));
    return roleName(await firstPage(join(root, "global", String(fileNumber)))) ?? USUAL_NAME;
  } catch {
    return USUAL_NAME;
  }
}

async function firstPage(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(BLOCK_SIZE), 0, BLOCK_SIZE, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function authidFile(map: Buffer): number | undefined {
  if (map.readUInt32LE(0) !== MAP_MAGIC) return undefined;
  for (let i = 0; i < Math.min(map.readUInt32LE(4), MAP_ENTRIES); i++) {
    if (map.readUInt32LE(MAP_HEADER + 8 * i) === PG_AUTHID) return map.readUInt32LE(MAP_HEADER + 8 * i + 4);
  }
  return undefined;
}

/** The newest version of the row comes last: each change of the role writes it anew. */
function roleName(page: Buffer): string | undefined {
  let name: string | undefined;
  for (let at = PAGE_HEADER; at + 4 <= page.readUInt16LE(PAGE_LOWER); at += 4) {
    const pointer = page.readUInt32LE(at);
    const tuple = pointer & 0x7fff;
    if (((pointer >>> 15) & 3) !== POINTER_NORMAL || pointer >>> 17 <= TUPLE_HOFF) continue;
    const columns = tuple + page.readUInt8(tuple + TUPLE_HOFF);
    if (page.readUInt32LE(columns) !== BOOTSTRAP_SUPERUSER) continue;
    const text = page.subarray(columns + 4, columns + 4 + NAME_BYTES);
    name = text.subarray(0, text.indexOf(0)).toString("utf8");
  }
  return name === "" ? undefined : name;
}
