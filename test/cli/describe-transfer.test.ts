import test from "ava";
import { Decision, type Head } from "../../gen/neon/pageserver/v1/session_pb.js";
import { describeTransfer, type Transfer } from "../../src/cli/describe-transfer.js";

const head = (lsn: bigint) => ({ lsn }) as Head;
const CREATED: Transfer = {
  decision: Decision.CREATE,
  head: head(0x6000148n),
  frames: 53n,
  bytes: 5_790_000n,
  seconds: 0.5,
  startLsn: 0x3000000n,
  endLsn: 0x6000148n,
  dryRun: false,
};
const MOVED: Transfer = { ...CREATED, decision: Decision.FAST_FORWARD, oldHead: head(0x5000000n) };
const FORCED: Transfer = { ...MOVED, decision: Decision.DIVERGED, recoveryBranch: "main-before-0a1b2c3d" };
const describe = (transfer: Transfer) => describeTransfer(transfer, "pushed main to main at cloud", "main");

test("a transfer says where the branch came from and where it stands, as git does", (t) => {
  t.is(
    describe(CREATED),
    "Pushed main to main at cloud, new branch at 0/6000148: 53 frames, 5.52 MB in 0.50 s (11.0 MB/s)",
  );
  t.is(
    describe(MOVED),
    "Pushed main to main at cloud, 0/5000000..0/6000148: 53 frames, 5.52 MB in 0.50 s (11.0 MB/s)",
  );
});

test("whatever the histories were to each other, what was forced is a forced update", (t) => {
  for (const decision of [Decision.DIVERGED, Decision.BEHIND, Decision.UNRELATED, Decision.SEPARATE_IMPORT]) {
    t.is(
      describe({ ...FORCED, decision, frames: 0n, bytes: 0n }),
      "Pushed main to main at cloud, 0/5000000...0/6000148 (forced update): no frames, all of them are there; " +
        "what it pointed to is kept as main-before-0a1b2c3d",
    );
  }
});

test("a dry run says which LSNs would travel and what would be kept", (t) => {
  const dry = { head: undefined, dryRun: true };
  t.is(
    describe({ ...CREATED, ...dry }),
    "Would have pushed main to main at cloud, new branch at 0/6000148: 53 frames, 5.52 MB, 0/3000000 to 0/6000148",
  );
  t.is(
    describe({ ...FORCED, ...dry }),
    "Would have pushed main to main at cloud, 0/5000000...0/6000148 (forced update): 53 frames, 5.52 MB, " +
      "0/3000000 to 0/6000148; what it points to would be kept as main-before-0a1b2c3d",
  );
});
