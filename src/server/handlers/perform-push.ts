import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  PageServerService,
  type PerformPushRequest,
  type PerformPushResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import type { Connection, CopyBothSession } from "../../pgwire/connection.js";
import { toHeadMessage } from "../../sync/head-message.js";
import { assertBranchName } from "../../timeline/branch-name.js";
import { formatCommand } from "../command/format-command.js";
import type { Context } from "../context.js";
import { resolveDestination } from "../origins.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";

/** perform_push: connects to another page server and sends it a branch with branch_push. */
export async function performPush(
  { branch: name, uri: destination, destinationBranch = name }: PerformPushRequest,
  { directory, store, signal, progress }: Context,
): Promise<MessageInitShape<typeof PerformPushResponseSchema>> {
  const branch = store.requireBranch(name);
  assertBranchName(destinationBranch);
  const uri = await resolveDestination(directory, destination);
  const [{ connect }, { send }, { branchSource }, { assertAccepted }] = await Promise.all([
    import("../../pgwire/connect.js"),
    import("../../sync/send.js"),
    import("../../sync/branch-source.js"),
    import("../../sync/refusal.js"),
  ]);
  const begin = performance.now();
  const connection = await connect({ uri, applicationName: "neon", signal });
  try {
    const stream = await openBranchPush(connection, destinationBranch, branch.timelineId);
    const sent = await send({
      stream,
      source: branchSource(store, branch),
      signal,
      onProgress: (step) => progress(progressMessage({ phase: "push", ...step })),
    });
    await stream.finish();
    assertAccepted(sent, destinationBranch);
    const seconds = secondsSince(begin);
    await connection.close();
    return {
      branch: name,
      destinationBranch,
      decision: sent.decision,
      ...(sent.head !== undefined && { head: toHeadMessage(sent.head) }),
      frames: BigInt(sent.frames),
      bytes: BigInt(sent.bytes),
      seconds,
    };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

async function openBranchPush(
  connection: Connection,
  branch: string,
  timelineId: Uint8Array,
): Promise<CopyBothSession> {
  if (!connection.parameters.get("server_version")?.includes("(neon ")) {
    throw new NeonError("connection_exception", "the server at the destination is not a page server", {
      hint: "Push to a neon page server; a stock Postgres is read with neon import.",
      party: "sink",
    });
  }
  const stream = await connection.copyBoth(
    formatCommand(PageServerService.method.branchPush, { branch, timelineId }),
  );
  if (stream.opened) return stream;
  throw new NeonError(
    "protocol_violation",
    "the page server at the destination answered branch_push with rows",
    {
      party: "protocol",
    },
  );
}
