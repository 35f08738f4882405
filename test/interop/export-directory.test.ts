import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { listFiles } from "../../scripts/support/list-files.js";
import { NeonError } from "../../src/errors.js";
import { bytePath } from "../../src/postgres/byte-path.js";
import { exportBranch } from "../../src/postgres/export/export-branch.js";
import { appendRecords, editBranch } from "./support/edit-branch.js";
import { type SourceBranch, sourceBranch } from "./support/source-branch.js";

let source: SourceBranch;
let made = 0;

test.before(async () => {
  source = await sourceBranch({ major: 15 });
  await source.postgres.stop();
});

test.after.always(() => source?.remove());

/** A directory that holds nothing but what the test makes. */
async function place(): Promise<string> {
  const directory = join(source.exports, String(++made));
  await mkdir(directory);
  return directory;
}

function run(directory: string, branch = source.branch, signal?: AbortSignal) {
  return exportBranch({ store: source.repository.store, branch, directory, ...(signal && { signal }) });
}

test.serial(
  "an absent directory appears with modes 0700 and 0600 and the required directories",
  async (t) => {
    const parent = await place();
    const directory = join(parent, "data");
    const { bytes, majorVersion } = await run(directory);
    t.is(majorVersion, 15);
    t.deepEqual(readdirSync(parent), ["data"]);
    t.is(statSync(directory).mode & 0o777, 0o700);
    const files = listFiles(directory, "");
    for (const path of files) t.is(statSync(join(directory, path)).mode & 0o777, 0o600, path);
    t.true(bytes > 20e6);
    const required = ["pg_notify", "pg_subtrans", "pg_twophase", "pg_replslot", "pg_tblspc", "pg_commit_ts"];
    for (const path of [
      ...required,
      "pg_logical/snapshots",
      "pg_logical/mappings",
      "pg_wal/archive_status",
    ]) {
      t.is(statSync(join(directory, path)).mode & 0o777, 0o700, path);
    }
    t.true(files.includes("backup_label") && files.includes("recovery.signal"));
    t.false(files.includes("tablespace_map"));
  },
);

test.serial("the last WAL segment has its full size and zeros after the head", async (t) => {
  const directory = join(await place(), "data");
  await run(directory);
  const segments = listFiles(join(directory, "pg_wal"), "").filter((name) => /^[0-9A-F]{24}$/.test(name));
  for (const name of segments) t.is(statSync(join(directory, "pg_wal", name)).size, 16 * 1024 * 1024, name);
  const inSegment = source.branch.head.lsn % (1n << 24n);
  const last = BigInt(`0x${segments.at(-1)?.slice(8, 16)}${segments.at(-1)?.slice(18)}`);
  t.is(last, inSegment === 0n ? (source.branch.head.lsn >> 24n) - 1n : source.branch.head.lsn >> 24n);
});

test.serial("an empty directory is filled, also where a symlink leads to it", async (t) => {
  const parent = await place();
  await mkdir(join(parent, "empty"));
  await run(join(parent, "empty"));
  t.true(existsSync(join(parent, "empty", "PG_VERSION")));
  await mkdir(join(parent, "real"));
  await symlink(join(parent, "real"), join(parent, "link"));
  await run(join(parent, "link"));
  t.true(existsSync(join(parent, "real", "PG_VERSION")));
  t.deepEqual(readdirSync(parent).sort(), ["empty", "link", "real"]);
});

test.serial(
  "a directory that holds something, a file, or a missing parent is refused and left as it was",
  async (t) => {
    const parent = await place();
    await writeFile(join(parent, "file"), "kept");
    const refused = { instanceOf: NeonError };
    t.is((await t.throwsAsync(run(parent), refused)).code, "duplicate_object");
    t.is((await t.throwsAsync(run(join(parent, "file")), refused)).code, "duplicate_object");
    t.is((await t.throwsAsync(run(join(parent, "no", "parent")), refused)).code, "undefined_file");
    t.deepEqual(readdirSync(parent), ["file"]);
  },
);

test.serial("an export that is canceled leaves nothing", async (t) => {
  const parent = await place();
  const controller = new AbortController();
  const promise = exportBranch({
    store: source.repository.store,
    branch: source.branch,
    directory: join(parent, "data"),
    signal: controller.signal,
    onProgress: ({ bytes }) => {
      if (bytes > source.branch.bytes / 2) controller.abort();
    },
  });
  t.is((await t.throwsAsync(promise, { instanceOf: NeonError })).code, "query_canceled");
  t.deepEqual(readdirSync(parent), []);
});

test.serial("a hostile path at the end of a branch is refused, and nothing stays", async (t) => {
  const parent = await place();
  const value = { path: Buffer.from("../escaped"), offset: 0n, data: Buffer.from("hostile") };
  const edit = appendRecords({ record: { case: "filePiece", value } });
  const hostile = await editBranch(source.repository.store, source.branch, edit);
  const error = await t.throwsAsync(run(join(parent, "data"), hostile), { instanceOf: NeonError });
  t.is(error.code, "data_corrupted");
  t.deepEqual(readdirSync(parent), []);
});

test.serial("a branch without what every cluster needs is refused", async (t) => {
  for (const missing of ["backup_label", "PG_VERSION", "global/pg_control"]) {
    const branch = await editBranch(source.repository.store, source.branch, {
      records: (record) =>
        record.record.case === "filePiece" && bytePath(record.record.value.path) === missing ? [] : [record],
    });
    const error = await t.throwsAsync(run(join(await place(), "data"), branch), { instanceOf: NeonError });
    t.regex(error.message, new RegExp(missing));
  }
  const inconsistent = await editBranch(source.repository.store, source.branch, {
    records: (record) => (record.record.case === "consistentPoint" ? [] : [record]),
  });
  const error = await t.throwsAsync(run(join(await place(), "data"), inconsistent), {
    instanceOf: NeonError,
  });
  t.is(error.code, "object_not_in_prerequisite_state");
});

test.serial("a branch whose WAL has a gap, or ends early, is refused", async (t) => {
  let pieces = 0;
  const gap = await editBranch(source.repository.store, source.branch, {
    records: (record) => (record.record.case === "wal" && pieces++ === 0 ? [] : [record]),
  });
  t.true(pieces > 0);
  const error = await t.throwsAsync(run(join(await place(), "data"), gap), { instanceOf: NeonError });
  t.is(error.code, "data_corrupted");
  t.regex(error.message, /WAL/);
});
