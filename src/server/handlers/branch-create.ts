import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchCreateRequest,
  BranchCreateResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Branch, Store } from "../../timeline/store.js";
import type { Context } from "../context.js";

/** branch_create: a branch of another one, at its head or at an earlier LSN. */
export async function branchCreate(
  { name, source: sourceName, lsn }: BranchCreateRequest,
  { store, claims }: Context,
): Promise<MessageInitShape<typeof BranchCreateResponseSchema>> {
  store.assertBranchNameIsFree(name);
  claims.assertFree(name);
  const source = requireSource(store, sourceName);
  const head = lsn === undefined ? source.head : await forkPoint(lsn);
  const branch = await store.forkBranch(name, source, head);
  return { name, head: toHeadMessage(branch.head) };

  async function forkPoint(at: bigint) {
    const { findForkPoint } = await import("../../postgres/history/find-fork-point.js");
    return findForkPoint(store, source, at);
  }
}

/** The branch, which may hold an @ in its name. Throws 22023 where what follows the @ of another one is no LSN. */
function requireSource(store: Store, name: string): Branch {
  const at = name.lastIndexOf("@");
  if (at > 0 && store.getBranch(name) === undefined && store.getBranch(name.slice(0, at)) !== undefined) {
    throw new NeonError("invalid_parameter_value", `"${name.slice(at + 1)}" is not an LSN`, {
      hint: `Write ${name.slice(0, at)}@0/16B3748; neon log ${name.slice(0, at)} shows some.`,
    });
  }
  return store.requireBranch(name);
}
