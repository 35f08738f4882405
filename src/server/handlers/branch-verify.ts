import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  type BootProof,
  BootProofSchema,
  type BranchVerifyRequest,
  type BranchVerifyResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import type { Verification } from "../../postgres/history/verify-branches.js";
import type { Branch, Store } from "../../timeline/store.js";
import type { Context } from "../context.js";
import { noticeUnknownSegments } from "./notice-unknown-segments.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";

type Row = MessageInitShape<typeof BranchVerifyResponseSchema>;

/**
 * branch_verify: a row a branch. What is wrong with a branch is told in its row, whatever it is, and does not keep the
 * others from being checked; behind the rows, what is wrong with the index.
 */
export async function* branchVerify(
  { branch: only, boot = false }: BranchVerifyRequest,
  context: Context,
): AsyncGenerator<Row> {
  const { store, signal, progress, notice } = context;
  // LMDB can have been read well when it was opened, and not any more.
  store.checkIndex();
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
  for await (const verification of found) {
    const row = await describe(store, verification);
    yield boot && row.ok ? { ...row, ...(await prove(verification.branch, context)) } : row;
  }
  if (only !== undefined) return;
  await noticeUnknownSegments(store, notice);
  await assertConsistent(store);
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

/** What a row says besides where a proof was asked for. */
type Proving = { proof: BootProof } | { unproven: string } | { ok: false; error: string };

/** Has a stock Postgres recover a branch, and takes that down. What keeps it from being tried is no fault of the branch. */
async function prove(branch: Branch, { store, directory, signal, progress }: Context): Promise<Proving> {
  const begin = performance.now();
  const { bootBranch, TrialError } = await import("../../postgres/boot/boot-branch.js");
  try {
    const result = await bootBranch({
      store,
      branch,
      directory,
      signal,
      onProgress: (step) => progress(progressMessage(step)),
    });
    const { serverVersion, amcheck } = result;
    const proof = create(BootProofSchema, {
      lsn: branch.head.lsn,
      at: timestampNow(),
      serverVersion,
      amcheck,
      databases: BigInt(result.databases),
      tables: BigInt(result.tables),
      rows: result.rows,
      seconds: secondsSince(begin),
    });
    await store.recordProof(branch, proof);
    return { proof };
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof TrialError) return { ok: false, error: thrown.message };
    const { message, hint } = NeonError.from(thrown);
    return { unproven: hint === undefined ? message : `${message}. ${hint}` };
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
