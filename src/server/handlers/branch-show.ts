import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchShowRequest,
  BranchShowResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";

/** branch_show: what is known of one branch. */
export async function branchShow(
  { branch: name }: BranchShowRequest,
  { store }: Context,
): Promise<MessageInitShape<typeof BranchShowResponseSchema>> {
  const { head, timelineId, frames, bytes, start, proof } = store.requireBranch(name);
  return {
    name,
    head: toHeadMessage(head),
    timelineId,
    frames: BigInt(frames),
    bytes: BigInt(bytes),
    systemIdentifier: start.systemIdentifier,
    serverVersionNum: start.serverVersionNum,
    backupStartLsn: start.backupStartLsn,
    walSegmentSize: start.walSegmentSize,
    ...(start.startedAt !== undefined && { importedAt: start.startedAt }),
    ...(proof !== undefined && { proof }),
  };
}
