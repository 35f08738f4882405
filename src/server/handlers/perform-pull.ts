import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  PageServerService,
  type PerformPullRequest,
  type PerformPullResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { assertExpectedForm } from "../../sync/expected-head.js";
import { assertBranchName } from "../../timeline/branch-name.js";
import { formatCommand } from "../command/format-command.js";
import type { Context } from "../context.js";
import { connectRemote, explainRemote, openCopyBoth } from "../remote.js";
import { remoteBranch } from "../uri-branch.js";
import { progressMessage } from "./progress-message.js";
import { transferMessage } from "./transfer-message.js";

/** perform_pull: connects to another page server and fetches a branch from it with branch_pull. */
export async function performPull(
  request: PerformPullRequest,
  { directory, store, claims, signal, progress }: Context,
): Promise<MessageInitShape<typeof PerformPullResponseSchema>> {
  const { branch, bwlimit } = request;
  const sourceBranch = remoteBranch(request.uri, request.sourceBranch) ?? branch;
  const existing = store.getBranch(branch);
  if (existing === undefined) claims.assertFree(branch);
  const timelineId = existing?.timelineId ?? new Uint8Array(16);
  assertBranchName(sourceBranch);
  assertExpectedForm(request.expected);
  const begin = performance.now();
  const connection = await connectRemote(directory, request.uri, signal);
  try {
    const [{ receive }, { branchSink }, { assertAccepted }] = await Promise.all([
      import("../../sync/receive.js"),
      import("../../sync/branch-sink.js"),
      import("../../sync/refusal.js"),
    ]);
    const command = formatCommand(PageServerService.method.branchPull, { branch: sourceBranch, timelineId });
    const stream = await openCopyBoth(connection, command);
    const outcome = await receive({
      stream,
      sink: branchSink(store, branch, request),
      signal,
      bytesPerSecond: bwlimit === undefined ? undefined : Number(bwlimit),
      onProgress: (step) => progress(progressMessage({ phase: "pull", ...step })),
    });
    await stream.finish();
    assertAccepted(outcome, branch, "pull");
    await connection.close();
    return {
      branch,
      sourceBranch,
      ...transferMessage(outcome, request.dryRun, begin),
    };
  } catch (error) {
    connection.destroy();
    if (signal.aborted) throw error;
    throw explainRemote(error, request.uri, "source");
  }
}
