import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchRenameRequest,
  BranchRenameResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Context } from "../context.js";

/** branch_rename: gives a branch another name. */
export async function branchRename(
  { name, newName }: BranchRenameRequest,
  { store, claims }: Context,
): Promise<MessageInitShape<typeof BranchRenameResponseSchema>> {
  if (store.getBranch(newName) === undefined) claims.assertFree(newName);
  await store.renameBranch(name, newName);
  return { name: newName };
}
