import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  BranchLogRequest,
  BranchLogResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Context } from "../context.js";

/** branch_log: a row a span of the branch's history, newest first. */
export async function* branchLog(
  { branch, maxCount }: BranchLogRequest,
  { store, signal }: Context,
): AsyncGenerator<MessageInitShape<typeof BranchLogResponseSchema>> {
  const source = store.requireBranch(branch);
  const { readSpans } = await import("../../postgres/history/read-spans.js");
  let left = maxCount ?? -1n;
  if (left === 0n) return;
  for await (const { kind, startLsn, endLsn, frames, bytes, digest, commits } of readSpans(store, source)) {
    signal.throwIfAborted();
    yield {
      kind,
      startLsn,
      endLsn,
      frames: BigInt(frames),
      bytes: BigInt(bytes),
      digest,
      commits: BigInt(commits.count),
      ...(kind === "base backup" && source.start.startedAt && { takenAt: source.start.startedAt }),
      ...(commits.first !== undefined && { firstCommitAt: timestamp(commits.first) }),
      ...(commits.last !== undefined && { lastCommitAt: timestamp(commits.last) }),
    };
    if (--left === 0n) return;
  }
}

function timestamp(microseconds: bigint): { seconds: bigint; nanos: number } {
  return { seconds: microseconds / 1_000_000n, nanos: Number(microseconds % 1_000_000n) * 1000 };
}
