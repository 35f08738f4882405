import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchListRequest,
  BranchListResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";

/** branch_list: a row a branch. */
export async function* branchList(
  _request: BranchListRequest,
  { store }: Context,
): AsyncGenerator<MessageInitShape<typeof BranchListResponseSchema>> {
  for (const { name, head, timelineId, bytes } of store.listBranches()) {
    yield { name, head: toHeadMessage(head), timelineId, bytes: BigInt(bytes) };
  }
}
