import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchDeleteRequest,
  BranchDeleteResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";
import { dropSlotsOf } from "../drop-slots.js";

/** branch_delete: forgets a branch, and drops the replication slots that kept WAL for it on imported servers. */
export async function branchDelete(
  { name }: BranchDeleteRequest,
  context: Context,
): Promise<MessageInitShape<typeof BranchDeleteResponseSchema>> {
  const { head } = await context.store.deleteBranch(name);
  const { dropped, notes } = await dropSlotsOf(name, context);
  return { name, head: toHeadMessage(head), droppedSlots: dropped, notes };
}
