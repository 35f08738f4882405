import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import test, { type ExecutionContext } from "ava";
import { WalPieceSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { NeonError } from "../../../src/errors.js";
import { FileWriter } from "../../../src/postgres/export/file-writer.js";
import { RecoveryNeedsReader } from "../../../src/postgres/export/recovery-needs.js";
import { walSegmentName } from "../../../src/postgres/export/wal-segment-name.js";
import { WalSegments } from "../../../src/postgres/export/wal-segments.js";
import { Recoverability } from "../../../src/postgres/wal/recoverability.js";
import { WalBuilder } from "../wal/wal-builder.js";

const SEGMENT = 1024 * 1024;
const START = BigInt(0x100000 * 5);
const PATH = "/srv/primary/own/directory";

/** WAL of about `bytes` bytes of small records. */
function wal(bytes: number): WalBuilder {
  const builder = new WalBuilder(START, SEGMENT);
  while (Number(builder.lsn - START) < bytes)
    builder.record({ rmid: 10, info: 0, body: Buffer.alloc(8000, 0x5a) });
  return builder;
}

async function segments(t: ExecutionContext, headLsn: bigint) {
  const { path, remove } = await createTemporaryDirectory("neon-wal-");
  t.teardown(remove);
  const files = new FileWriter(path);
  t.teardown(() => files.close());
  const target = new WalSegments({
    files,
    judge: new Recoverability({ lsn: START, walSegmentSize: SEGMENT }),
    needs: new RecoveryNeedsReader(START),
    startLsn: START,
    headLsn,
    walSegmentSize: SEGMENT,
  });
  return {
    target,
    write: (startLsn: bigint, data: Uint8Array, postgresTimelineId = 1) =>
      target.write(create(WalPieceSchema, { postgresTimelineId, startLsn, data })),
    names: async () => (await readdir(join(path, "pg_wal"))).sort(),
    read: (name: string) => readFile(join(path, "pg_wal", name)),
  };
}

function tablespaceCreate(builder: WalBuilder): void {
  const body = Buffer.concat([Buffer.from([0, 64, 0, 0]), Buffer.from(`${PATH}\0`)]);
  const mainData = Buffer.concat([Buffer.from([255, body.length]), body]);
  builder.record({ rmid: 5, info: 0, body: mainData });
}

test("segments are cut at the head: full size, zeros after it, nothing later", async (t) => {
  const builder = wal(2.5 * SEGMENT);
  const head = builder.records.find(({ end }) => end > START + BigInt(SEGMENT + 200_000))?.end as bigint;
  const { target, write, names, read } = await segments(t, head);
  const { bytes } = builder;
  for (let at = 0; at < bytes.length; at += 300_001) {
    await write(START + BigInt(at), bytes.subarray(at, at + 300_001));
  }
  await target.finish();
  t.deepEqual(await names(), ["000000010000000000000005", "000000010000000000000006"]);
  const [first, second] = await Promise.all((await names()).map(read));
  t.deepEqual(first, builder.bytes.subarray(0, SEGMENT));
  const used = Number(head - START) - SEGMENT;
  const expected = Buffer.concat([
    builder.bytes.subarray(SEGMENT, SEGMENT + used),
    Buffer.alloc(SEGMENT - used),
  ]);
  t.deepEqual(second, expected);
});

test("a head at the end of a segment needs no further one", async (t) => {
  const builder = wal(SEGMENT + 100_000);
  const { target, write, names } = await segments(t, START + BigInt(SEGMENT));
  await write(START, builder.bytes);
  await target.finish();
  t.deepEqual(await names(), ["000000010000000000000005"]);
});

test("a timeline switch inside a segment renames it, with the old bytes before the switch", async (t) => {
  const builder = wal(1.5 * SEGMENT);
  const switchLsn = builder.records.at(-10)?.end as bigint;
  const { target, write, names, read } = await segments(t, builder.lsn);
  const at = Number(switchLsn - START);
  await write(START, builder.bytes.subarray(0, at), 1);
  await write(switchLsn, builder.bytes.subarray(at), 2);
  await target.finish();
  t.deepEqual(await names(), ["000000010000000000000005", "000000020000000000000006"]);
  const second = await read("000000020000000000000006");
  t.deepEqual(second.subarray(0, builder.bytes.length - SEGMENT), builder.bytes.subarray(SEGMENT));
});

test("the path of a Tablespace/CREATE record is blanked, also where it spans two segments", async (t) => {
  const builder = new WalBuilder(START, SEGMENT);
  const free = () => SEGMENT - Number(builder.lsn - START);
  tablespaceCreate(builder);
  while (free() > 8192 + 100) {
    builder.record({ rmid: 10, info: 0, body: Buffer.alloc(4000, 0x5a) });
  }
  while (free() > 8192) builder.record({ rmid: 10, info: 0, body: Buffer.alloc(40, 0x5a) });
  builder.fillUpTo(32);
  tablespaceCreate(builder);
  builder.record({ rmid: 10, info: 0, body: Buffer.alloc(100, 0x5a) });
  const spanning = builder.records.at(-2);
  t.true(
    (spanning?.start as bigint) < START + BigInt(SEGMENT) &&
      (spanning?.end as bigint) > START + BigInt(SEGMENT),
  );
  t.true(builder.bytes.includes(PATH.slice(0, 8)));
  const { target, write, names, read } = await segments(t, builder.lsn);
  const { bytes } = builder;
  for (let at = 0; at < bytes.length; at += 4093) {
    await write(START + BigInt(at), bytes.subarray(at, at + 4093));
  }
  await target.finish();
  t.true(target.blanked);
  const all = Buffer.concat(await Promise.all((await names()).map(read)));
  t.false(all.includes("primary"));
  t.false(all.includes("/srv"));
  const again = await segments(t, builder.lsn);
  await t.notThrowsAsync(again.write(START, all.subarray(0, bytes.length)), "the CRCs are right again");
  t.false(again.target.blanked);
});

test("a gap, and WAL that ends before the head, are refused", async (t) => {
  const builder = wal(100_000);
  const { target, write } = await segments(t, builder.lsn + 8n);
  const early = await t.throwsAsync(write(START + 8192n, builder.bytes.subarray(8192)), {
    instanceOf: NeonError,
  });
  t.is(early.code, "data_corrupted");
  await write(START, builder.bytes);
  const short = await t.throwsAsync(target.finish(), { instanceOf: NeonError });
  t.regex(short.message, /missing/);
});

test("a segment's name counts in halves of 4 GB", (t) => {
  t.is(walSegmentName(1, 0x1_00000005n / 0x1000000n, 0x1000000), "000000010000000100000000");
  t.is(walSegmentName(0x1f, 4097n, 0x100000), "0000001F0000000100000001");
  t.is(walSegmentName(1, 7n, 0x40000000), "000000010000000100000003");
});
