import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  PageServerService,
  type PerformPushRequest,
  type PerformPushResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Connection } from "../../pgwire/connection.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Outcome } from "../../sync/outcome.js";
import { assertBranchName } from "../../timeline/branch-name.js";
import { formatCommand } from "../command/format-command.js";
import type { Context } from "../context.js";
import { connectRemote, explainRemote, openCopyBoth } from "../remote.js";
import { branchMoves } from "./branch-moves.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";

/** perform_push: connects to another page server and sends it a branch with branch_push; with `follow`, again and again. */
export async function performPush(
  request: PerformPushRequest,
  context: Context,
): Promise<MessageInitShape<typeof PerformPushResponseSchema>> {
  const { branch, destinationBranch = branch } = request;
  const { directory, store, signal, closing } = context;
  store.requireBranch(branch);
  assertBranchName(destinationBranch);
  const begin = performance.now();
  const connection = await connectRemote(directory, request.uri, signal);
  try {
    const moves = branchMoves(store, branch, AbortSignal.any([signal, closing]));
    let total = await pushOnce(connection, { ...request, destinationBranch }, context);
    while (request.follow === true && request.dryRun !== true && (await moves.next())) {
      // Only the first of many pushes may overrule what stands there.
      const next = { ...request, destinationBranch, force: undefined, expected: undefined };
      total = addOutcome(total, await pushOnce(connection, next, context));
    }
    await connection.close();
    return {
      branch,
      destinationBranch,
      decision: total.decision,
      head: total.head && toHeadMessage(total.head),
      frames: BigInt(total.frames),
      bytes: BigInt(total.bytes),
      seconds: secondsSince(begin),
      startLsn: total.startLsn,
      recoveryBranch: total.recoveryBranch,
      dryRun: total.dryRun,
    };
  } catch (error) {
    connection.destroy();
    throw explainRemote(error, "sink");
  }
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
  const outcome = await send({
    stream,
    source: branchSource(store, branch),
    signal,
    dryRun,
    bytesPerSecond: bwlimit === undefined ? undefined : Number(bwlimit),
    onProgress: (step) => progress(progressMessage({ phase: "push", ...step })),
  });
  await stream.finish();
  assertAccepted(outcome, destinationBranch, "push");
  return outcome;
}

function addOutcome(total: Outcome, next: Outcome): Outcome {
  return {
    ...total,
    head: next.head,
    frames: total.frames + next.frames,
    bytes: total.bytes + next.bytes,
    recoveryBranch: total.recoveryBranch ?? next.recoveryBranch,
  };
}
