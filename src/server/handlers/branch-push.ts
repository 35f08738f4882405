import type { BranchPushRequest } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import type { CopyBoth } from "../../pgwire/copy-both.js";
import { assertExpectedForm } from "../../sync/expected-head.js";
import type { Context } from "../context.js";
import { assertTimelineId } from "../timeline-id.js";

/** branch_push: receives a branch from the client. */
export async function branchPush(
  { branch, timelineId, force, expected }: BranchPushRequest,
  { store, claims, signal, facts }: Context,
  open: () => CopyBoth,
): Promise<void> {
  if (store.getBranch(branch) === undefined) claims.assertFree(branch);
  assertTimelineId(timelineId);
  assertExpectedForm(expected);
  const [{ receive }, { branchSink }] = await Promise.all([
    import("../../sync/receive.js"),
    import("../../sync/branch-sink.js"),
  ]);
  const { decision, frames, bytes } = await receive({
    stream: open(),
    sink: branchSink(store, branch, { force, expected }),
    signal,
  });
  Object.assign(facts, { decision: Decision[decision], frames, bytes });
}
