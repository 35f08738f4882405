import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchCreateRequest,
  BranchCreateResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";

/** branch_create: a branch of another one, at its head or at an earlier LSN. */
export async function branchCreate(
  { name, source: sourceName, lsn }: BranchCreateRequest,
  { store, claims }: Context,
): Promise<MessageInitShape<typeof BranchCreateResponseSchema>> {
  store.assertBranchNameIsFree(name);
  claims.assertFree(name);
  const source = store.requireBranch(sourceName);
  const head = lsn === undefined ? source.head : await forkPoint(lsn);
  const branch = await store.forkBranch(name, source, head);
  return { name, head: toHeadMessage(branch.head) };

  async function forkPoint(at: bigint) {
    const { findForkPoint } = await import("../../postgres/history/find-fork-point.js");
    return findForkPoint(store, source, at);
  }
}
