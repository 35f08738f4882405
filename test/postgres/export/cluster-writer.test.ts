import { mkdir, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import test, { type ExecutionContext } from "ava";
import {
  RecordSchema,
  RelationForkName,
  type RelationForkSchema,
  StartRecordSchema,
} from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { NeonError } from "../../../src/errors.js";
import { ClusterWriter } from "../../../src/postgres/export/cluster-writer.js";

type RecordInit = MessageInitShape<typeof RecordSchema>;

const START = 0x1000000n;
const BRANCH = {
  name: "main",
  head: { lsn: START + 8192n, digest: Buffer.alloc(32), seq: 1 },
  timelineId: Buffer.alloc(16),
  start: create(StartRecordSchema, {
    importId: Buffer.alloc(16),
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: START + 40n,
    walStartLsn: START,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
  }),
  frames: 2,
  bytes: 0,
  ownBytes: 0,
  parent: undefined,
};
const RELATION = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 99999, fork: RelationForkName.FSM };

async function writer(t: ExecutionContext) {
  const { path, remove } = await createTemporaryDirectory("neon-writer-");
  t.teardown(remove);
  const root = join(path, "root");
  await mkdir(root);
  const cluster = new ClusterWriter(root, BRANCH);
  t.teardown(() => cluster.close());
  await cluster.write(create(RecordSchema, { record: { case: "start", value: BRANCH.start } }));
  return {
    path,
    root,
    write: (record: RecordInit["record"]) => cluster.write(create(RecordSchema, { record })),
  };
}

function images(relation: MessageInitShape<typeof RelationForkSchema> | undefined, blocks: number[]) {
  const pages = Buffer.concat(blocks.map((_, i) => Buffer.alloc(8192, i + 1)));
  return { case: "pageImages" as const, value: { ...(relation && { relation }), blocks, pages } };
}

function piece(path: string, text: string, offset = 0n) {
  return { case: "filePiece" as const, value: { path: Buffer.from(path), offset, data: Buffer.from(text) } };
}

test("a hostile path writes nothing, in the directory and beside it", async (t) => {
  const { path, root, write } = await writer(t);
  await writeFile(join(path, "victim"), "unharmed");
  for (const hostile of ["../victim", join(path, "victim"), "base/../../victim"]) {
    const error = await t.throwsAsync(write(piece(hostile, "hostile")), { instanceOf: NeonError });
    t.is(error.code, "data_corrupted");
    await t.throwsAsync(write({ case: "directory", value: { path: Buffer.from(hostile) } }), {
      instanceOf: NeonError,
    });
  }
  t.is(await readFile(join(path, "victim"), "utf8"), "unharmed");
  t.deepEqual(await readdir(root), []);
  t.deepEqual((await readdir(path)).sort(), ["root", "victim"]);
});

test("a name that is both file and directory is refused", async (t) => {
  const { write } = await writer(t);
  await write(piece("thing", "a file"));
  const below = await t.throwsAsync(write(piece("thing/below", "x")), { instanceOf: NeonError });
  t.is(below.code, "data_corrupted");
  await write({ case: "directory", value: { path: Buffer.from("folder") } });
  const over = await t.throwsAsync(write(piece("folder", "x")), { instanceOf: NeonError });
  t.is(over.code, "data_corrupted");
});

test("an offset beyond what a file can have is refused", async (t) => {
  const { write } = await writer(t);
  const error = await t.throwsAsync(write(piece("huge", "x", 2n ** 64n - 1n)), { instanceOf: NeonError });
  t.is(error.code, "data_corrupted");
});

const IMPOSSIBLE = [
  { what: "an unknown fork", relation: { ...RELATION, fork: 17 as RelationForkName } },
  { what: "no fork", relation: { ...RELATION, fork: RelationForkName.UNSPECIFIED } },
  { what: "no file node number", relation: { ...RELATION, relationNumber: 0 } },
  { what: "no database", relation: { ...RELATION, databaseOid: 0 } },
  { what: "a tablespace that did not come", relation: { ...RELATION, tablespaceOid: 16385 } },
  { what: "a database in pg_global", relation: { ...RELATION, tablespaceOid: 1664 } },
  { what: "no relation", relation: undefined },
];

for (const { what, relation } of IMPOSSIBLE) {
  test(`pages of a relation with ${what} are refused`, async (t) => {
    const { write, root } = await writer(t);
    const error = await t.throwsAsync(write(images(relation, [0])), { instanceOf: NeonError });
    t.is(error.code, "data_corrupted");
    t.deepEqual(await readdir(root), []);
  });
}

test("page images that are not as many as their blocks are refused", async (t) => {
  const { write } = await writer(t);
  const { value } = images(RELATION, [0]);
  const error = await t.throwsAsync(write({ case: "pageImages", value: { ...value, blocks: [0, 1] } }), {
    instanceOf: NeonError,
  });
  t.is(error.code, "data_corrupted");
});

test("blocks land in the file of their gigabyte, in runs or alone", async (t) => {
  const { root, write } = await writer(t);
  await write(images(RELATION, [131070, 131071, 131072, 131073, 131075, 262144]));
  const found = async (name: string, block: number) => {
    const file = await open(join(root, "base/5", name));
    const { buffer } = await file.read(Buffer.alloc(8192), 0, 8192, block * 8192);
    await file.close();
    return new Set(buffer).size === 1 ? buffer[0] : undefined;
  };
  t.is((await stat(join(root, "base/5/99999_fsm"))).size, 2 ** 30);
  t.is((await stat(join(root, "base/5/99999_fsm.1"))).size, 4 * 8192);
  t.deepEqual(await Promise.all([131070, 131071].map((block) => found("99999_fsm", block))), [1, 2]);
  t.deepEqual(await Promise.all([0, 1, 2, 3].map((block) => found("99999_fsm.1", block))), [3, 4, 0, 5]);
  t.is(await found("99999_fsm.2", 0), 6);
});

test("forks of all tablespaces have their names, and one without pages is an empty file", async (t) => {
  const { root, write } = await writer(t);
  const of = (tablespaceOid: number, databaseOid: number, fork: RelationForkName) =>
    images({ tablespaceOid, databaseOid, relationNumber: 7, fork }, []);
  await write({ case: "directory", value: { path: Buffer.from("pg_tblspc/16384/PG_15_202209061") } });
  await write(of(1664, 0, RelationForkName.MAIN));
  await write(of(1663, 5, RelationForkName.VM));
  await write(of(16384, 5, RelationForkName.INIT));
  for (const path of ["global/7", "base/5/7_vm", "pg_tblspc/16384/PG_15_202209061/5/7_init"]) {
    t.is((await stat(join(root, path))).size, 0, path);
  }
});

test("many files at once need few open ones, and keep their pieces", async (t) => {
  const { root, write } = await writer(t);
  for (const text of ["one", "two"]) {
    for (let i = 0; i < 100; i++) await write(piece(`many/${i}`, text, text === "one" ? 0n : 3n));
  }
  for (let i = 0; i < 100; i++) t.is(await readFile(join(root, `many/${i}`), "utf8"), "onetwo");
});
