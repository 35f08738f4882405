import { create } from "@bufbuild/protobuf";
import test from "ava";
import { Decision, DivergenceSchema } from "../../gen/neon/pageserver/v1/session_pb.js";
import { messageJson } from "../../src/server/command/message-json.js";
import { divergenceDetail } from "../../src/sync/divergence-detail.js";

test("a divergence in an error looks as it would in a result", (t) => {
  const head = { lsn: 0x16_b374d848n, digest: new Uint8Array(32).fill(0xab), seq: 12n };
  for (const divergence of [
    { decision: Decision.SEPARATE_IMPORT, source: head, destination: head },
    { decision: Decision.DIVERGED, common: { ...head, seq: 3n }, source: head, destination: head },
  ]) {
    t.deepEqual(JSON.parse(divergenceDetail(divergence)), messageJson(create(DivergenceSchema, divergence)));
  }
});
