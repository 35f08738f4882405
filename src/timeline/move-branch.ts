import { create, toBinary } from "@bufbuild/protobuf";
import { StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { BootProof } from "../../gen/neon/pageserver/v1/service_pb.js";
import { type BranchRef, BranchRefSchema } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { formatLsn } from "../lsn.js";
import type { Base } from "./base.js";
import { hex, requireTimeline, timelineBytes, timelineExtents } from "./chain.js";
import { putForkTimeline } from "./fork-timeline.js";
import type { FrameAppender } from "./frame-appender.js";
import { type Head, sameHead } from "./head.js";
import { leaveDamage } from "./leave-damage.js";
import type { Refs } from "./refs.js";

/** Where a branch is to be moved. */
export interface Move {
  readonly name: string;
  /** Where the branch has to stand; undefined: it must not exist. */
  readonly expected: Head | undefined;
  readonly head: Head;
  /** The frames that lead there: sealed ones of an appender, or the end of frames that are here already. */
  readonly frames: FrameAppender | Base;
  /** Keep what the branch points to under another name, since the new head does not contain it. */
  readonly keepOld: boolean;
  /** A proof of a place in the history that the new head has, for a branch that is made. */
  readonly proof?: BootProof | undefined;
}

/**
 * Moves or creates a branch. Must run inside one write transaction, after every frame is durable. Returns the name under
 * which what it pointed to was kept. Throws 42710 if it must not exist and does, 40001 if it stands elsewhere.
 * Timelines that are in `shown` keep their names, since other sessions may build on them.
 */
export function moveBranch(refs: Refs, move: Move, shown: ReadonlySet<string>): string | undefined {
  const { name, expected, head, frames } = move;
  const current = refs.branch.get(name);
  assertExpected(name, current, expected);
  const recovery =
    current !== undefined && move.keepOld ? keepUnderOtherName(refs, name, current) : undefined;
  const timelineId = placeFrames(refs, current, frames, head, recovery !== undefined, shown);
  const proof = recovery === undefined ? (current?.proof ?? move.proof) : undefined;
  refs.branch.put(
    name,
    create(BranchRefSchema, {
      lsn: head.lsn,
      digest: head.digest,
      seq: BigInt(head.seq),
      timelineId: Buffer.from(timelineId, "hex"),
      ...(proof !== undefined && { proof }),
    }),
  );
  if (current !== undefined && recovery === undefined) leaveDamage(refs, current, timelineId);
  return recovery;
}

function assertExpected(name: string, current: BranchRef | undefined, expected: Head | undefined): void {
  if (expected === undefined) {
    if (current === undefined) return;
    throw new NeonError("duplicate_object", `branch "${name}" already exists`, {
      hint: "Choose another name; neon branch list shows the taken ones.",
    });
  }
  if (current === undefined) {
    throw new NeonError("serialization_failure", `branch "${name}" was deleted meanwhile`, {
      retryable: true,
      hint: "Try again if it is to be made anew.",
    });
  }
  if (sameHead(headOfRef(current), expected)) return;
  throw new NeonError(
    "serialization_failure",
    `branch "${name}" was moved to ${formatLsn(current.lsn)} meanwhile, by somebody else`,
    { retryable: true, hint: "Nothing was lost; try again." },
  );
}

/** The head that a ref names. */
export function headOfRef(ref: BranchRef): Head {
  return { lsn: ref.lsn, digest: Buffer.from(ref.digest), seq: Number(ref.seq) };
}

function keepUnderOtherName(refs: Refs, name: string, current: BranchRef): string {
  const recovery = recoveryName(refs, name, headOfRef(current));
  if (refs.branch.get(recovery) === undefined) refs.branch.put(recovery, current);
  return recovery;
}

/** The name that keeps what a forced branch points to: one that is free, or that stands at the very same head already. */
export function recoveryName(refs: Refs, name: string, head: Head): string {
  const stem = `${name}-before-${hex(head.digest).slice(0, 8)}`;
  for (let i = 1; ; i++) {
    const recovery = i === 1 ? stem : `${stem}-${i}`;
    const taken = refs.branch.get(recovery);
    if (taken === undefined || sameHead(headOfRef(taken), head)) return recovery;
  }
}

/**
 * Gives the frames their timeline, whose id it returns. A branch that just grows keeps its own: the new frames become that
 * one's, behind all that it holds. Anything else that it held behind the branch would be lost to whoever stands there.
 */
function placeFrames(
  refs: Refs,
  current: BranchRef | undefined,
  frames: FrameAppender | Base,
  head: Head,
  moved: boolean,
  shown: ReadonlySet<string>,
): string {
  if ("predecessor" in frames) {
    const point = { timelineId: frames.timelineId, seq: head.seq, lsn: head.lsn };
    const { startDigest } = frames;
    const start = toBinary(StartRecordSchema, frames.start);
    return putForkTimeline(refs, point, { start, startDigest, forkBytes: BigInt(frames.bytes) });
  }
  const { timelineId } = frames;
  const info = requireTimeline(refs, timelineId);
  refs.lease.remove(timelineId);
  const grows =
    current !== undefined &&
    !moved &&
    !shown.has(timelineId) &&
    hex(info.parent) === hex(current.timelineId) &&
    info.forkSeq === current.seq &&
    info.forkLsn === current.lsn &&
    info.forkBytes === bytesAtEnd(refs, hex(current.timelineId));
  if (!grows) return timelineId;
  const own = hex(current.timelineId);
  for (const { firstSeq, segmentId } of timelineExtents(refs, timelineId)) {
    refs.extent.put([own, firstSeq], segmentId);
    refs.extent.remove([timelineId, firstSeq]);
  }
  refs.timeline.remove(timelineId);
  return own;
}

/** Bytes of the frames up to the last one that a timeline holds. Fewer lead to a place before its end. */
function bytesAtEnd(refs: Refs, timelineId: string): bigint {
  return requireTimeline(refs, timelineId).forkBytes + BigInt(timelineBytes(refs, timelineId));
}
