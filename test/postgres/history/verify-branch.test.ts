import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { findForkPoint } from "../../../src/postgres/history/find-fork-point.js";
import { pageChecksum } from "../../../src/postgres/pages/page-checksum.js";
import { temporaryStore } from "../../support/temporary-store.js";
import { verifyBranch } from "../../support/verify-branch.js";
import { damageBaseFrame, filler, growBranch, importedBranch } from "../../support/wal-chain.js";

test("a branch as it was written is good, all of it", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  const main = await growBranch(store, branch, chain, 4);
  t.deepEqual(await verifyBranch({ store, branch: main }), {
    frames: main.frames,
    bytes: main.bytes,
    pages: 0,
    damage: undefined,
  });
});

test("wherever a byte is changed, the frame that holds it is named, and what is before can be saved", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store, path } = temporary;
  const { branch, chain } = await importedBranch(store, "main");
  const imported = new Set(await readdir(join(path, "segments")));
  const main = await growBranch(store, branch, chain, 4);
  const name = (await readdir(join(path, "segments"))).find((file) => !imported.has(file)) as string;
  const file = join(path, "segments", name);
  const whole = await readFile(file);
  const reader = store.reader(main);
  const first = branch.head.seq + 1;
  for (let seq = first; seq <= main.head.seq; seq++) {
    const begin = await reader.bytes(first, seq - 1).then((bytes) => (seq === first ? 0 : bytes));
    const length = await reader.bytes(seq, seq);
    for (const offset of [0, 3, 12, 30, 60, 100, length >> 1, length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[begin + offset] ^= 0x01;
      await writeFile(file, damaged);
      const { damage, frames } = await verifyBranch({ store, branch: main });
      t.is(damage?.seq, seq, `byte ${offset} of frame ${seq}`);
      t.is(frames, seq);
      const saved = await reader.lsn(seq - 1).catch(() => undefined);
      if (saved !== undefined) t.is(damage?.savedLsn, saved);
    }
    const { damage } = await verifyBranch({ store, branch: main });
    const head = await findForkPoint(store, main, damage?.savedLsn as bigint);
    const rescued = await store.forkBranch(`rescued${seq}`, main, head);
    t.is((await verifyBranch({ store, branch: rescued })).damage, undefined);
  }
  await writeFile(file, whole);
  t.is((await verifyBranch({ store, branch: main })).damage, undefined);
});

test("damage in the base backup leaves nothing to save", async (t) => {
  const { store, path, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch } = await importedBranch(store, "main");
  await damageBaseFrame(store, path, branch);
  const { damage } = await verifyBranch({ store, branch });
  t.like(damage, { seq: 1, savedLsn: undefined });
});

test("WAL that was damaged before it was stored is found, and saved up to the last good record", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const { branch, chain } = await importedBranch(store, "main");
  const writer = await store.beginChain(branch);
  const good = chain.wal.record(filler(100));
  chain.wal.record(filler(100));
  const { wal, stored } = chain;
  const data = wal.bytes.subarray(Number(stored - wal.startLsn));
  data[Number(good.end - stored) + 50] ^= 1;
  const piece = { postgresTimelineId: 1, startLsn: stored, data };
  await writer.append(FrameKind.WAL, stored, wal.lsn, [{ record: { case: "wal", value: piece } }]);
  const main = await store.advanceBranch("main", branch.head, writer);
  const { damage } = await verifyBranch({ store, branch: main });
  t.like(damage, { seq: main.head.seq, savedLsn: good.end });
  t.regex(damage?.text ?? "", /CRC/);
});

test("a wrong page checksum is found where the cluster has checksums; a zero page is passed over, one that claims to be newer is not", async (t) => {
  const { createPostgres } = await import("../../../scripts/support/postgres.js");
  const { importCluster } = await import("../../../src/postgres/import/import-cluster.js");
  const { editBranch } = await import("../../interop/support/edit-branch.js");
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const postgres = await createPostgres({ major: 15, initdb: ["--data-checksums"] });
  t.teardown(() => postgres.remove());
  const { branch } = await importCluster({ store, branch: "main", uri: postgres.uri });
  const { damage, pages } = await verifyBranch({ store, branch });
  t.is(damage, undefined);
  t.true(pages > 1000);
  const edited = (change: (page: Buffer) => void) => {
    let done = false;
    return editBranch(store, branch, {
      records(record) {
        if (!done && record.record.case === "pageImages" && record.record.value.pages.length > 0) {
          done = true;
          const { pages } = record.record.value;
          change(Buffer.from(pages.buffer, pages.byteOffset, 8192));
        }
        return [record];
      },
    });
  };
  const verify = async (change: (page: Buffer) => void) =>
    verifyBranch({ store, branch: await edited(change) });
  const bad = await verify((page) => {
    page[5000] ^= 1;
  });
  t.regex(
    bad.damage?.text ?? "",
    /^page 0 of relation \d+\/\d+\/\d+ \(main\) fails its checksum, and the WAL of the base backup does not restore it$/,
  );
  t.is(bad.damage?.savedLsn, undefined);
  t.is((await verify((page) => page.fill(0))).damage, undefined);
  // BASE_BACKUP itself passes over such a page: it could have been torn.
  const { backupStartLsn: start } = branch.start;
  const future = (lsn: bigint, checksum: boolean) =>
    verify((page) => {
      page[5000] ^= 1;
      page.writeUInt32LE(Number(lsn >> 32n), 0);
      page.writeUInt32LE(Number(lsn & 0xffffffffn), 4);
      if (checksum) page.writeUInt16LE(pageChecksum(page, 0), 8);
    });
  t.regex((await future(start, false)).damage?.text ?? "", /fails its checksum/);
  t.is((await future(start, true)).damage, undefined);
  const ahead = await future(branch.head.lsn + 8n, true);
  t.regex(ahead.damage?.text ?? "", /^page 0 .* has LSN [\dA-F/]+, which the server had not reached/);
  t.is(ahead.damage?.savedLsn, undefined);
});
