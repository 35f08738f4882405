import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres, POSTGRES_MAJORS } from "../../../scripts/support/postgres.js";
import { formatLsn } from "../../../src/lsn.js";
import { TablespacePathBlanker } from "../../../src/postgres/wal/blank-tablespace-paths.js";
import { pushInPieces, randomSizes, readAll } from "./read-all.js";
import { flushedLsn, KEEP_WAL, walDumpOf, walOf } from "./real-wal.js";
import { type BuiltRecord, WalBuilder } from "./wal-builder.js";

const SEGMENT = 1024 * 1024;
const START = 0x1230_0000n;
const walDump = walDumpOf(15);

/** WAL as an exporter would write it: the patches come after the bytes that they change. */
function blank(wal: Buffer, startLsn: bigint, nextSize: () => number): { wal: Buffer; patches: number } {
  const blanker = new TablespacePathBlanker({ startLsn, walSegmentSize: SEGMENT });
  const blanked = Buffer.alloc(wal.length);
  let end = 0;
  let patches = 0;
  pushInPieces(wal, nextSize, (piece) => {
    end += piece.copy(blanked, end);
    for (const { lsn, bytes } of blanker.push(piece)) {
      const at = Number(lsn - startLsn);
      if (at + bytes.length > end) throw new Error("a patch of bytes that are still to come");
      bytes.copy(blanked, at);
      patches++;
    }
  });
  return { wal: blanked, patches };
}

/** XLR_BLOCK_ID_DATA_SHORT or _LONG and the main data: the tablespace's OID and its path. */
function createRecord(path: string, info = 0x00, rmid = 5): BuiltRecord {
  const data = Buffer.concat([Buffer.from([0x39, 0x30, 0, 0]), Buffer.from(`${path}\0`)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length);
  const header =
    data.length < 256 ? Buffer.from([255, data.length]) : Buffer.concat([Buffer.from([254]), length]);
  return { rmid, info, body: Buffer.concat([header, data]) };
}

test("a path is blanked wherever pages and pieces split its record, and nothing else changes", (t) => {
  const path = `/srv/${"p".repeat(90)}`;
  for (let room = 0; room <= 160; room += 8) {
    const build = (text: string) => {
      const builder = new WalBuilder(START);
      builder.fillUpTo(room);
      builder.record(createRecord(text));
      builder.record(createRecord("left alone", 0x10));
      builder.record(createRecord("left alone", 0x00, 4));
      return builder.bytes;
    };
    const expected = build("\0".repeat(path.length));
    for (const size of [1, 13, 1 << 20]) {
      const { wal } = blank(build(path), START, () => size);
      t.true(wal.equals(expected), `${room} bytes of room, pieces of ${size}`);
    }
  }
});

test("the longest path is blanked, also over the end of a segment", (t) => {
  const build = (fill: string) => {
    const builder = new WalBuilder(START);
    while (builder.lsn < START + BigInt(SEGMENT) - 8192n) builder.fillUpTo(0);
    builder.fillUpTo(40);
    builder.record(createRecord(fill.repeat(1023)));
    return builder.bytes;
  };
  t.true(blank(build("q"), START, randomSizes(1, 9000)).wal.equals(build("\0")));
});

test("a path that is blank already is left as it is", (t) => {
  const builder = new WalBuilder(START);
  builder.record(createRecord(""));
  t.is(blank(builder.bytes, START, () => 100).patches, 0);
});

test("a path longer than Postgres allows is damage", (t) => {
  const builder = new WalBuilder(START);
  builder.record(createRecord("p".repeat(1024)));
  t.throws(() => blank(builder.bytes, START, () => 8192), { code: "data_corrupted" });
});

test("a path without an end is damage", (t) => {
  const builder = new WalBuilder(START);
  builder.record({ rmid: 5, info: 0, body: Buffer.from([255, 6, 1, 0, 0, 0, 0x2f, 0x61]) });
  t.throws(() => blank(builder.bytes, START, () => 8192), { code: "data_corrupted" });
});

for (const major of POSTGRES_MAJORS) {
  test(`the paths of tablespaces that ${major} created are blank, and the WAL is whole`, async (t) => {
    const postgres = await createPostgres({ major, initdb: ["--wal-segsize=1"], settings: KEEP_WAL });
    t.teardown(() => postgres.remove());
    const location = join(postgres.dataDir, "..", "space-of-the-source");
    await mkdir(location);
    spawnSync("chown", ["--reference", postgres.dataDir, location]);
    await postgres.query(`create tablespace elsewhere location '${location}'`);
    await postgres.query("create table there tablespace elsewhere as select generate_series(1, 1000) as id");
    const wal = walOf(postgres.dataDir, SEGMENT, await flushedLsn(postgres));
    await postgres.stop("immediate");
    t.true(wal.bytes.includes(location));
    const { wal: blanked, patches } = blank(wal.bytes, wal.startLsn, randomSizes(major, 200_000));
    t.true(patches > 0);
    t.false(blanked.includes(location));
    const before = readAll(wal.bytes, { startLsn: wal.startLsn, walSegmentSize: SEGMENT });
    const after = readAll(blanked, { startLsn: wal.startLsn, walSegmentSize: SEGMENT });
    t.deepEqual(after.records, before.records);
    if (major !== 15 || walDump === undefined) return;

    const directory = join(postgres.dataDir, "..", "blanked");
    await mkdir(directory);
    for (let at = 0; at < blanked.length; at += SEGMENT) {
      const number = Number((wal.startLsn + BigInt(at)) / BigInt(SEGMENT));
      const segment = Buffer.alloc(SEGMENT);
      blanked.copy(segment, 0, at);
      await writeFile(
        join(directory, `0000000100000000${number.toString(16).toUpperCase().padStart(8, "0")}`),
        segment,
      );
    }
    const { stdout } = spawnSync(
      walDump,
      ["-p", directory, "-r", "Tablespace", "-s", formatLsn(wal.startLsn)],
      {
        encoding: "utf8",
      },
    );
    t.regex(stdout, /rmgr: Tablespace .* desc: CREATE \d+ ""/);
  });
}
