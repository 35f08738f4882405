import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchVerifyRequest,
  BranchVerifyResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import type { Verification } from "../../postgres/history/verify-branches.js";
import type { Store } from "../../timeline/store.js";
import type { Context } from "../context.js";
import { progressMessage } from "./progress-message.js";

type Row = MessageInitShape<typeof BranchVerifyResponseSchema>;

/**
 * branch_verify: a row a branch. What is wrong with a branch is told in its row, whatever it is, and does not keep the
 * others from being checked; behind the rows, what is wrong with the index.
 */
export async function* branchVerify(
  { branch: only }: BranchVerifyRequest,
  { store, signal, progress }: Context,
): AsyncGenerator<Row> {
  const branches = only === undefined ? [] : [store.requireBranch(only)];
  for (const name of only === undefined ? store.branchNames() : []) {
    try {
      branches.push(store.requireBranch(name));
    } catch (thrown) {
      yield unusable(name, thrown);
    }
  }
  const { verifyBranches } = await import("../../postgres/history/verify-branches.js");
  const found = verifyBranches({
    store,
    branches,
    signal,
    onProgress: (step) => progress(progressMessage(step)),
  });
  for await (const verification of found) yield await describe(store, verification);
  if (only === undefined) await assertConsistent(store);
}

async function describe(store: Store, { branch, frames, bytes, pages, damage }: Verification): Promise<Row> {
  const row = {
    branch: branch.name,
    ok: damage === undefined,
    frames: BigInt(frames),
    bytes: BigInt(bytes),
    pages: BigInt(pages),
    ...(damage !== undefined && { badFrame: BigInt(damage.seq), error: damage.text }),
    ...(damage?.savedLsn !== undefined && { savedLsn: damage.savedLsn }),
  };
  try {
    const repairable = (await store.upkeep.recordDamage(branch, frames)) && damage !== undefined;
    return { ...row, repairable, rebuiltFooters: BigInt(await store.upkeep.rebuildFooters(branch)) };
  } catch (thrown) {
    return { ...unusable(branch.name, thrown), ...(damage !== undefined && row) };
  }
}

/** The row of a branch of which nothing can be told but that something failed. */
function unusable(branch: string, thrown: unknown): Row {
  return { branch, ok: false, badFrame: 0n, error: NeonError.from(thrown).message };
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
