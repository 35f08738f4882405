/** Runs in a worker thread: compresses and hashes what lies in a shared slot. See compressor.ts. */
import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import lz4 from "lz4-napi";
import type { Job, SlotMemory } from "./compressor.js";

const slots = (workerData as SlotMemory[]).map(({ content, payload }) => ({
  content: Buffer.from(content),
  payload: Buffer.from(payload),
}));
const port = parentPort as MessagePort;

// The codec's outputs lie outside the heap, which hardly grows here: left to itself, the collector comes when they have
// taken a gigabyte (measured). A young collection, which frees all but the last, takes less than a millisecond.
setFlagsFromString("--expose-gc");
const collectGarbage: (options: { type: "minor" }) => void = runInNewContext("gc");
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
  if (++jobs % COLLECT_EVERY === 0) collectGarbage({ type: "minor" });
  port.postMessage({ slot, shrunk, storedLength: shrunk ? compressed.length : length, sha256 });
}
