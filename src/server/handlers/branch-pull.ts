import type { BranchPullRequest } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import type { CopyBoth } from "../../pgwire/copy-both.js";
import type { Context } from "../context.js";
import { assertTimelineId } from "../timeline-id.js";

/** branch_pull: sends a branch to the client. */
export async function branchPull(
  { branch: name, timelineId }: BranchPullRequest,
  { store, signal, facts }: Context,
  open: () => CopyBoth,
): Promise<void> {
  assertTimelineId(timelineId);
  const branch = store.requireBranch(name);
  const [{ send }, { branchSource }] = await Promise.all([
    import("../../sync/send.js"),
    import("../../sync/branch-source.js"),
  ]);
  const { decision, frames, bytes } = await send({
    stream: open(),
    source: branchSource(store, branch),
    signal,
  });
  Object.assign(facts, { decision: Decision[decision], frames, bytes });
}
