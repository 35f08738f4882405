import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { Codec, FrameKind } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { RecordBatchSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { branchSink } from "../../src/sync/branch-sink.js";
import { branchSource } from "../../src/sync/branch-source.js";
import type { Sink } from "../../src/sync/party.js";
import { receive } from "../../src/sync/receive.js";
import { send } from "../../src/sync/send.js";
import { encodeFrame, type Frame, sha256 } from "../../src/timeline/frame.js";
import type { Branch, Store } from "../../src/timeline/store.js";
import { twoServers } from "./two-servers.js";

const BEGIN = 0x1000000n;
const MOST_ROUND_TRIPS = 8;

/** Tiny frames behind `previous`, or a new chain. */
function makeFrames(count: number, previous?: Frame): Frame[] {
  const frames: Frame[] = [];
  let last = previous;
  for (let i = 0; i < count; i++) {
    const lsn = last?.header.endLsn ?? BEGIN;
    const payload = last === undefined ? startPayload() : randomBytes(8);
    last = encodeFrame(
      {
        seq: last === undefined ? 0n : last.header.seq + 1n,
        previousDigest: last?.digest ?? new Uint8Array(),
        kind: last === undefined ? FrameKind.START : FrameKind.WAL,
        startLsn: lsn,
        endLsn: last === undefined ? lsn : lsn + 8n,
        codec: Codec.NONE,
        contentLength: payload.length,
        storedLength: payload.length,
        payloadSha256: sha256(payload),
      },
      payload,
    );
    frames.push(last);
  }
  return frames;
}

function startPayload(): Buffer {
  const value = { importId: randomBytes(16), systemIdentifier: 7n, walStartLsn: BEGIN };
  const batch = create(RecordBatchSchema, { records: [{ record: { case: "start", value } }] });
  return Buffer.from(toBinary(RecordBatchSchema, batch));
}

async function store(target: Store, name: string, frames: Frame[]): Promise<Branch> {
  const appender = target.appendFrames();
  for (const frame of frames) await appender.append(frame);
  return target.createBranch(name, appender);
}

for (const shared of [1, 100_000]) {
  test(`a divergence 100,000 frames back, behind ${shared} common ones, is found in few round trips`, async (t) => {
    const servers = await twoServers(t);
    const common = makeFrames(shared);
    const [ours, theirs] = [makeFrames(100_000, common[shared - 1]), makeFrames(100_000, common[shared - 1])];
    const branch = await store(servers.here.store, "main", [...common, ...ours]);
    await store(servers.there.store, "main", [...common, ...theirs]);
    const sink = branchSink(servers.there.store, "main");
    let rounds = 0;
    const counting: Sink = {
      ...sink,
      answer: (offer, ask) =>
        sink.answer(offer, (seqs) => {
          rounds++;
          return ask(seqs);
        }),
    };
    const stream = await servers.dial((other, signal) => receive({ stream: other, sink: counting, signal }));
    const outcome = await send({ stream, source: branchSource(servers.here.store, branch) });
    await stream.finish();
    t.is(outcome.decision, Decision.DIVERGED);
    t.is(outcome.divergence.common?.seq, BigInt(shared - 1));
    t.is(outcome.divergence.common?.lsn, common[shared - 1].header.endLsn);
    t.true(rounds > 0);
    // One more for the offer and its answer, and one for the command itself.
    t.true(rounds + 2 <= MOST_ROUND_TRIPS, `${rounds} rounds of narrowing`);
    t.log(`${rounds} rounds of narrowing`);
  });
}
