/** Runs in a worker thread: compresses and hashes what lies in a shared slot. See compressor.ts. */
import { createHash } from "node:crypto";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import lz4 from "lz4-napi";
import { collectYoungGarbage } from "../../young-garbage.js";
import type { Job, SlotMemory } from "./compressor.js";

const slots = (workerData as SlotMemory[]).map(({ content, payload }) => ({
  content: Buffer.from(content),
  payload: Buffer.from(payload),
}));
const port = parentPort as MessagePort;

/** Jobs, of one codec's output each, between two collections. */
const COLLECT_EVERY = 16;
let jobs = 0;

// What was collected is freed in the event loop's check phase: one job in each turn, however many wait.
port.on("message", (job: Job) => setImmediate(compress, job));

function compress({ slot, length }: Job): void {
  const content = slots[slot].content.subarray(0, length);
  const compressed = lz4.compressSync(content);
  const shrunk = compressed.length < length;
  if (shrunk) compressed.copy(slots[slot].payload);
  const sha256 = createHash("sha256")
    .update(shrunk ? compressed : content)
    .digest();
  if (++jobs % COLLECT_EVERY === 0) collectYoungGarbage();
  port.postMessage({ slot, shrunk, storedLength: shrunk ? compressed.length : length, sha256 });
}
