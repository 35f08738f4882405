import { join } from "node:path";
import test from "ava";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { type Record, RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { NeonError } from "../../../src/errors.js";
import { bytePath, pathBytes } from "../../../src/postgres/byte-path.js";
import { exportBranch } from "../../../src/postgres/export/export-branch.js";
import { type Verification, verifyBranches } from "../../../src/postgres/history/verify-branches.js";
import type { RecordInit } from "../../../src/timeline/frame/record-batch.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { appendRecords, type Edit, editBranch } from "../../interop/support/edit-branch.js";
import { temporaryStore } from "../../support/temporary-store.js";
import { filler, growBranch, importedBranch, storeWal } from "../../support/wal-chain.js";
import type { BuiltRecord } from "../wal/wal-builder.js";
import { endOfRecovery, settings } from "../wal/xlog-records.js";

async function verify(store: Store, branches: readonly Branch[]): Promise<Verification[]> {
  const found: Verification[] = [];
  for await (const verification of verifyBranches({ store, branches })) found.push(verification);
  return found;
}

const RELATION = { tablespaceOid: 1663, databaseOid: 5, relationNumber: 16384, fork: RelationForkName.MAIN };
const PAGE = Buffer.alloc(8192);

function images(relation: object | undefined, blocks: number[], pages: Buffer): RecordInit {
  return { record: { case: "pageImages", value: { ...(relation && { relation }), blocks, pages } } };
}

function file(path: string, data: string | Buffer, offset = 0n): RecordInit {
  return { record: { case: "filePiece", value: { path: pathBytes(path), offset, data: Buffer.from(data) } } };
}

function directory(path: string): RecordInit {
  return { record: { case: "directory", value: { path: pathBytes(path) } } };
}

/** Changes the start record. */
function start(change: object): Edit {
  return {
    records: ({ record }) => {
      if (record.case === "start") Object.assign(record.value, change);
      return [{ record }];
    },
  };
}

/** Changes a file of the base backup; undefined: it is left out. */
function edit(path: string, change: (content: Buffer) => Buffer | undefined): Edit {
  return {
    records: (whole: Record) => {
      const { record } = whole;
      if (record.case !== "filePiece" || bytePath(record.value.path) !== path) return [whole];
      const data = change(Buffer.from(record.value.data));
      return data === undefined ? [] : [file(path, data)];
    },
  };
}

function replace(path: string, from: string | RegExp, to: string): Edit {
  return edit(path, (content) => Buffer.from(content.toString("latin1").replace(from, to), "latin1"));
}

function start0(): RecordInit {
  return { record: { case: "start", value: { importId: Buffer.alloc(16), serverVersionNum: 150018 } } };
}

const HOSTILE: { [what: string]: [Edit, RegExp] } = {
  "a record of an unknown kind": [appendRecords({}), /unknown kind/],
  "a second start record": [appendRecords(start0()), /second start record/],
  "page images without a relation": [appendRecords(images(undefined, [0], PAGE)), /without their pages/],
  "fewer pages than blocks": [appendRecords(images(RELATION, [0, 1], PAGE)), /without their pages/],
  "more pages than blocks": [appendRecords(images(RELATION, [], PAGE)), /without their pages/],
  "a fork that is none": [
    appendRecords(images({ ...RELATION, fork: 99 }, [0], PAGE)),
    /relation that cannot be/,
  ],
  "an unknown tablespace": [
    appendRecords(images({ ...RELATION, tablespaceOid: 20000 }, [0], PAGE)),
    /relation that cannot be/,
  ],
  "a path that leaves": [appendRecords(file("../../evil", "x")), /path that cannot be exported/],
  "a directory that leaves": [appendRecords(directory("/evil")), /path that cannot be exported/],
  "an offset beyond what files have": [appendRecords(file("base/5/x", "x", 1n << 63n)), /is said to be/],
  "a file below a file": [
    appendRecords(file("base/5/x", "x"), file("base/5/x/y", "x")),
    /as a file and as a dir/,
  ],
  "a directory in a file's place": [
    appendRecords(images(RELATION, [0], PAGE), directory("base/5/16384")),
    /as a file and as a directory/,
  ],
  "a file in the place of pg_wal": [appendRecords(file("pg_wal", "x")), /as a file and as a directory/],
  "a directory in the place of a configuration file": [
    appendRecords(directory("postgresql.auto.conf")),
    /cannot be exported: "postgresql.auto.conf"/,
  ],
  "a history file that names no switch": [
    appendRecords({
      record: { case: "timelineHistory", value: { postgresTimelineId: 2, content: Buffer.from("x") } },
    }),
    /names no switch point/,
  ],
  "pages of another size": [start({ blockSize: 4096 }), /pages of 4096 bytes/],
  "WAL segments of 0 bytes": [start({ walSegmentSize: 0 }), /WAL segments of 0 bytes/],
  "WAL segments of an odd size": [start({ walSegmentSize: 12345678 }), /WAL segments of 12345678/],
  "WAL that does not begin at a page": [start({ walStartLsn: 0x1230_0007n }), /WAL from 0\/12300007/],
  "an import id of 3 bytes": [start({ importId: Buffer.alloc(3) }), /import id has 3 bytes/],
  "no server version": [start({ serverVersionNum: 0 }), /server version 0/],
  "a server of a version to come": [start({ serverVersionNum: 190000 }), /is of Postgres 19/],
  "no backup_label": [edit("backup_label", () => undefined), /holds no backup_label/],
  "an empty backup_label": [edit("backup_label", () => Buffer.alloc(0)), /holds no backup_label/],
  "a backup_label of nonsense": [edit("backup_label", () => Buffer.from("x")), /none of a whole base backup/],
  "the label of another backup": [
    replace("backup_label", "LOCATION: 0/12300028", "LOCATION: 0/12300030"),
    /another base backup's/,
  ],
  "a checkpoint that is not in the WAL": [
    replace("backup_label", /CHECKPOINT LOCATION: .*/, "CHECKPOINT LOCATION: 0/12300060"),
    /no checkpoint at 0\/12300060/,
  ],
  "a standby's label and a primary's pg_control": [
    replace("backup_label", "primary", "standby"),
    /backup_label is a standby's/,
  ],
  "no pg_control": [edit("global/pg_control", () => undefined), /holds no global\/pg_control/],
  "a damaged pg_control": [
    edit("global/pg_control", (content) => {
      content[60] ^= 1;
      return content;
    }),
    /pg_control fails its checksum/,
  ],
  "another major version's PG_VERSION": [replace("PG_VERSION", "15", "14"), /PG_VERSION is "14"/],
  "no PG_VERSION": [edit("PG_VERSION", () => undefined), /holds no PG_VERSION/],
  "a PG_VERSION that is too long": [edit("PG_VERSION", () => Buffer.alloc(100_000)), /100000 bytes long/],
};

/** Records behind the base backup that recovery stops at. */
const UNRECOVERABLE: { [what: string]: [BuiltRecord, RegExp] } = {
  "wal_level=minimal": [settings(0), /wal_level=minimal/],
  "a timeline that does not follow": [endOfRecovery(5, 4), /timeline 5 does not follow timeline 1/],
  "a resource manager that nobody has": [{ ...filler(10), rmid: 99 }, /no resource manager 99/],
};

async function assertRefused(
  t: import("ava").ExecutionContext,
  store: Store,
  branch: Branch,
  expected: RegExp,
): Promise<Verification> {
  const { path, remove } = await createTemporaryDirectory("neon-refused-");
  t.teardown(remove);
  const healthy = store.listBranches().filter(({ name }) => name !== branch.name);
  const found = await verify(store, [...healthy, branch, ...healthy]);
  const [bad, ...others] = found.filter(({ damage }) => damage !== undefined);
  t.deepEqual(others, [], "the other branches are good");
  t.is(found.length, 2 * healthy.length + 1);
  t.is(bad.branch.name, branch.name);
  t.regex(bad.damage?.text ?? "", expected);
  const error = await t.throwsAsync(exportBranch({ store, branch, directory: join(path, "data") }), {
    instanceOf: NeonError,
  });
  t.regex(error.message, expected, "export refuses it for the same reason");
  return bad;
}

for (const [what, [change, expected]] of Object.entries(HOSTILE)) {
  test(`verify and export refuse a branch with ${what}, and the others are checked`, async (t) => {
    const { store, remove } = await temporaryStore();
    t.teardown(remove);
    const { branch } = await importedBranch(store, "main");
    await importedBranch(store, "other");
    await assertRefused(t, store, await editBranch(store, branch, change), expected);
  });
}

for (const [what, [record, expected]] of Object.entries(UNRECOVERABLE)) {
  test(`verify and export refuse WAL with ${what}, and what is before it can be saved`, async (t) => {
    const { store, remove } = await temporaryStore();
    t.teardown(remove);
    const { branch, chain } = await importedBranch(store, "main");
    const good = await growBranch(store, branch, chain, 1);
    const { head } = await store.forkBranch("bad", good, good.head);
    const writer = await store.beginChain(store.requireBranch("bad"));
    const { end } = chain.wal.record(filler(40));
    chain.wal.record(record);
    chain.wal.record(filler(40));
    await storeWal(writer, chain);
    const bad = await store.advanceBranch("bad", head, writer);
    const { damage } = await assertRefused(t, store, bad, expected);
    t.is(damage?.savedLsn, end);
  });
}

test("a base backup whose end is not in the WAL is refused", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch } = await importedBranch(store, "main");
  // The marker comes before the WAL that it is about.
  let marker: RecordInit | undefined;
  const early = await editBranch(store, branch, {
    records: (record) => {
      if (record.record.case === "consistentPoint") return [];
      if (record.record.case !== "filePiece" || bytePath(record.record.value.path) !== "global/pg_control")
        return [record];
      const value = { backupStopLsn: branch.head.lsn, postgresTimelineId: 1 };
      marker = { record: { case: "consistentPoint", value } };
      return [record, marker];
    },
  });
  t.not(marker, undefined);
  await assertRefused(t, store, early, /no checkpoint at/);
});

test("frames that are no good by themselves are the damage of their branch", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch } = await importedBranch(store, "main");
  const empty = await editBranch(store, branch, {
    async append(writer) {
      const lsn = writer.head?.lsn as bigint;
      await writer.append(FrameKind.WAL, lsn, lsn + 8n, []);
    },
  });
  await assertRefused(t, store, empty, /WAL/);
});
