import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  PageServerService,
  type PerformPushRequest,
  type PerformPushResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { assertExpectedForm } from "../../sync/expected-head.js";
import type { Outcome } from "../../sync/outcome.js";
import { assertBranchName } from "../../timeline/branch-name.js";
import { formatCommand } from "../command/format-command.js";
import type { Context } from "../context.js";
import { explainRemote, openCopyBoth } from "../remote.js";
import { RemoteLink } from "../remote-link.js";
import { remoteBranch } from "../uri-branch.js";
import { branchMoves } from "./branch-moves.js";
import { progressMessage } from "./progress-message.js";
import { throwIfFailed } from "./throw-if-failed.js";
import { transferMessage } from "./transfer-message.js";

/** perform_push: connects to another page server and sends it a branch with branch_push; with `follow`, again and again. */
export async function performPush(
  request: PerformPushRequest,
  context: Context,
): Promise<MessageInitShape<typeof PerformPushResponseSchema>> {
  const { branch } = request;
  const destinationBranch = remoteBranch(request.uri, request.destinationBranch) ?? branch;
  const { store, signal, closing } = context;
  store.requireBranch(branch);
  assertBranchName(destinationBranch);
  assertExpectedForm(request.expected);
  if (request.follow === true && request.dryRun === true) throw followingNothing();
  const begin = performance.now();
  const follow = request.follow === true;
  const link = await RemoteLink.open(request.uri, context);
  const ended = AbortSignal.any([signal, closing]);
  const moves = branchMoves(store, branch, ended);
  const push = (next: PerformPushRequest) => (connection: Connection) =>
    pushOnce(connection, { ...next, destinationBranch }, context);
  try {
    let total = await (follow ? link.patiently(push(request)) : link.run(push(request)));
    // Only the first of many pushes may overrule what stands there.
    const next = { ...request, force: undefined, expected: undefined };
    while (follow && (await moves.next())) {
      const outcome = await link.patiently(push(next)).catch((error) => {
        // To be ended is how following ends. What the other end has acknowledged of this push waits there for the next.
        if (signal.aborted || error === ended.reason) return undefined;
        throw error;
      });
      if (outcome === undefined) break;
      total = addOutcome(total, outcome);
    }
    throwIfFailed(signal);
    await link.close();
    return {
      branch,
      destinationBranch,
      ...transferMessage(total, request.dryRun, begin),
    };
  } catch (error) {
    link.destroy();
    if (signal.aborted) throw error;
    throw explainRemote(error, request.uri, "sink");
  } finally {
    moves.stop();
  }
}

function followingNothing(): NeonError {
  return new NeonError("invalid_parameter_value", "a dry run moves nothing that could be followed", {
    hint: "Leave out dry_run or follow.",
  });
}

async function pushOnce(
  connection: Connection,
  {
    branch: name,
    destinationBranch,
    force,
    expected,
    dryRun,
    bwlimit,
    follow,
  }: PerformPushRequest & { destinationBranch: string },
  { store, signal, progress }: Context,
): Promise<Outcome> {
  const [{ send }, { branchSource }, { assertAccepted }] = await Promise.all([
    import("../../sync/send.js"),
    import("../../sync/branch-source.js"),
    import("../../sync/refusal.js"),
  ]);
  const branch = store.requireBranch(name);
  const request = { branch: destinationBranch, timelineId: branch.timelineId, force, expected };
  const stream = await openCopyBoth(connection, formatCommand(PageServerService.method.branchPush, request));
  // One push of many is named by its end: the bytes of the next one begin at 0 again.
  const phase = follow === true ? `push up to ${formatLsn(branch.head.lsn)}` : "push";
  const outcome = await send({
    stream,
    source: branchSource(store, branch),
    signal,
    dryRun,
    bytesPerSecond: bwlimit === undefined ? undefined : Number(bwlimit),
    onProgress: (step) => progress(progressMessage({ phase, ...step })),
  });
  await stream.finish();
  assertAccepted(outcome, destinationBranch, "push");
  return outcome;
}

function addOutcome(total: Outcome, next: Outcome): Outcome {
  return {
    ...total,
    decision: total.decision === Decision.UP_TO_DATE ? next.decision : total.decision,
    head: next.head,
    frames: total.frames + next.frames,
    bytes: total.bytes + next.bytes,
    startLsn: total.decision === Decision.UP_TO_DATE ? next.startLsn : total.startLsn,
    recoveryBranch: total.recoveryBranch ?? next.recoveryBranch,
  };
}
