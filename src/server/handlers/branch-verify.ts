import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchVerifyRequest,
  BranchVerifyResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import type { Store } from "../../timeline/store.js";
import type { Context } from "../context.js";
import { progressMessage } from "./progress-message.js";

/** branch_verify: a row a branch. Damage is told in its row, and behind those of all branches what is wrong with the index. */
export async function* branchVerify(
  { branch: only }: BranchVerifyRequest,
  { store, signal, progress }: Context,
): AsyncGenerator<MessageInitShape<typeof BranchVerifyResponseSchema>> {
  const branches = only === undefined ? store.listBranches() : [store.requireBranch(only)];
  const { verifyBranches } = await import("../../postgres/history/verify-branches.js");
  const found = verifyBranches({
    store,
    branches,
    signal,
    onProgress: (step) => progress(progressMessage(step)),
  });
  for await (const { branch, frames, bytes, pages, damage } of found) {
    const repairable = (await store.upkeep.recordDamage(branch, frames)) && damage !== undefined;
    const rebuiltFooters = await store.upkeep.rebuildFooters(branch);
    yield {
      branch: branch.name,
      ok: damage === undefined,
      frames: BigInt(frames),
      bytes: BigInt(bytes),
      pages: BigInt(pages),
      ...(damage !== undefined && { badFrame: BigInt(damage.seq), error: damage.text }),
      ...(damage?.savedLsn !== undefined && { savedLsn: damage.savedLsn }),
      repairable,
      rebuiltFooters: BigInt(rebuiltFooters),
    };
  }
  if (only === undefined) await assertConsistent(store);
}

/** Throws XX001 if the index contradicts itself or the frames, however good these are. */
async function assertConsistent(store: Store): Promise<void> {
  const [first, ...others] = await store.upkeep.findContradictions();
  if (first === undefined) return;
  throw new NeonError(
    "data_corrupted",
    `the index of the store contradicts itself: ${[first, ...others].join("; ")}`,
    {
      hint: "Push the branches that are good to another page server before anything else, and do not collect garbage here.",
    },
  );
}
