import test from "ava";
import { FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { MAX_FRAME_CONTENT_BYTES } from "../../src/limits.js";
import { Compressor } from "../../src/timeline/frame/compressor.js";
import type { RecordInit } from "../../src/timeline/frame/record-batch.js";
import { temporaryStore, writeChain } from "../support/temporary-store.js";

function history(bytes: number): RecordInit {
  const content = new Uint8Array(bytes);
  return { record: { case: "timelineHistory", value: { postgresTimelineId: 2, content } } };
}

test.serial(
  "records that no frame can hold are refused by name, and nothing that is written later waits for them",
  async (t) => {
    const { store, remove } = await temporaryStore();
    t.teardown(remove);
    // More often than there are slots for contents in the making.
    for (let i = 0; i < 20; i++) {
      const writer = await store.beginChain();
      await t.throwsAsync(writer.append(FrameKind.BASE, 1n, 1n, [history(MAX_FRAME_CONTENT_BYTES)]), {
        code: "program_limit_exceeded",
        message: /the limit of a frame is 3145728/,
      });
      await t.throwsAsync(
        writer.append(FrameKind.BASE, 1n, 1n, [history(1)]),
        undefined,
        "a chain with a gap",
      );
      await writer.abort();
    }
    t.is((await store.createBranch("main", await writeChain(store))).frames, 6);
  },
);

test.serial("a chain goes on where a compressing thread of the process died while it rested", async (t) => {
  const { store, remove } = await temporaryStore();
  t.teardown(remove);
  const writer = await writeChain(store);
  await writer.flush();
  const compressor = Compressor.shared();
  // No worker has such a slot.
  await t.throwsAsync(compressor.compress({ number: 99, content: Buffer.alloc(1) }, 1), {
    message: "a compressing thread failed",
  });
  const { lsn } = writer.head as { lsn: bigint };
  await writer.append(FrameKind.WAL, lsn, lsn, [history(100)]);
  t.is((await store.createBranch("main", writer)).frames, 7);
  await t.throwsAsync(compressor.acquire(), { message: "a compressing thread failed" });
});

test.serial("who waits for room while a compressing thread dies is told so", async (t) => {
  const compressor = Compressor.shared();
  const slots = await Promise.all(Array.from({ length: 8 }, () => compressor.acquire()));
  const waiting = compressor.acquire();
  await t.throwsAsync(compressor.compress({ ...slots[0], number: 99 }, 1));
  await t.throwsAsync(waiting, { message: "a compressing thread failed" });
});
