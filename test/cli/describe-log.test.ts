import { create } from "@bufbuild/protobuf";
import test from "ava";
import { BranchLogResponseSchema } from "../../gen/neon/pageserver/v1/service_pb.js";
import { describeLog } from "../../src/cli/describe-log.js";

const spans = [3n, 2n, 1n].map((i) =>
  create(BranchLogResponseSchema, { kind: "wal", startLsn: i, endLsn: i + 1n, frames: 1n, bytes: 10n }),
);

test("a log that is longer than the limit shows its newest lines and how many it leaves out", (t) => {
  const lines = describeLog(spans, 2).split("\n");
  t.is(lines.length, 4);
  t.regex(lines[1] ?? "", /^wal +0\/3 /);
  t.regex(lines[2] ?? "", /^wal +0\/2 /);
  t.is(lines[3], "(1 older line left out; -n 3 shows all)");
});

test("a log that fits shows every line and says nothing of others", (t) => {
  const lines = describeLog(spans, 3).split("\n");
  t.is(lines.length, 4);
  t.regex(lines[3] ?? "", /^wal +0\/1 /);
});
