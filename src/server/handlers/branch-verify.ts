import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchVerifyRequest,
  BranchVerifyResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Context } from "../context.js";
import { progressMessage } from "./progress-message.js";

/** branch_verify: a row a branch. Damage is told in its row. */
export async function* branchVerify(
  { branch: only }: BranchVerifyRequest,
  { store, signal, progress }: Context,
): AsyncGenerator<MessageInitShape<typeof BranchVerifyResponseSchema>> {
  const names = only === undefined ? store.listBranches().map(({ name }) => name) : [only];
  const { verifyBranch } = await import("../../postgres/history/verify-branch.js");
  for (const name of names) {
    const branch = only === undefined ? store.getBranch(name) : store.requireBranch(name);
    if (branch === undefined) continue; // deleted meanwhile
    const { frames, bytes, pages, damage } = await verifyBranch({
      store,
      branch,
      signal,
      onProgress: (step) => progress(progressMessage(step)),
    });
    yield {
      branch: name,
      ok: damage === undefined,
      frames: BigInt(frames),
      bytes: BigInt(bytes),
      pages: BigInt(pages),
      ...(damage !== undefined && { badFrame: BigInt(damage.seq), error: damage.text }),
      ...(damage?.savedLsn !== undefined && { savedLsn: damage.savedLsn }),
    };
  }
}
