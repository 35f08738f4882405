import test from "ava";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { makeTinyFrames, storeFrames } from "../../scripts/support/tiny-frames.js";
import { branchSink } from "../../src/sync/branch-sink.js";
import { branchSource } from "../../src/sync/branch-source.js";
import type { Sink } from "../../src/sync/party.js";
import { receive } from "../../src/sync/receive.js";
import { send } from "../../src/sync/send.js";
import { twoServers } from "./two-servers.js";

const MOST_ROUND_TRIPS = 8;

for (const shared of [1, 100_000]) {
  test(`a divergence 100,000 frames back, behind ${shared} common ones, is found in few round trips`, async (t) => {
    const servers = await twoServers(t);
    const common = makeTinyFrames(shared);
    const [ours, theirs] = [
      makeTinyFrames(100_000, common[shared - 1]),
      makeTinyFrames(100_000, common[shared - 1]),
    ];
    const branch = await storeFrames(servers.here.store, "main", [...common, ...ours]);
    await storeFrames(servers.there.store, "main", [...common, ...theirs]);
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
