import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchDeleteRequest,
  BranchDeleteResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";

/** branch_delete: forgets a branch. */
export async function branchDelete(
  { name }: BranchDeleteRequest,
  { store }: Context,
): Promise<MessageInitShape<typeof BranchDeleteResponseSchema>> {
  const { head } = await store.deleteBranch(name);
  return { name, head: toHeadMessage(head) };
}
