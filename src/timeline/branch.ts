import { fromBinary } from "@bufbuild/protobuf";
import { type StartRecord, StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { BootProof } from "../../gen/neon/pageserver/v1/service_pb.js";
import type { BranchRef } from "../../gen/neon/store/v1/store_pb.js";
import { type ChainPoint, hex, lineage, requireTimeline, timelineBytes } from "./chain.js";
import type { Head } from "./head.js";
import type { Refs } from "./refs.js";

/** A name for a head, with what is known of its chain. */
export interface Branch {
  readonly name: string;
  readonly head: Head;
  /** The timeline that keeps it, 16 bytes. */
  readonly timelineId: Buffer;
  readonly start: StartRecord;
  /** Frames of the chain. */
  readonly frames: number;
  /** Bytes of these frames, at rest and on the wire. */
  readonly bytes: number;
  /** Bytes of those that it does not share with `parent`. */
  readonly ownBytes: number;
  /** Another branch whose history it goes on from. */
  readonly parent: string | undefined;
  /** The last proof that a stock Postgres recovers it, or recovered it earlier in its history. */
  readonly proof?: BootProof | undefined;
}

/** Where a branch stands. */
export function pointOf(branch: Branch): ChainPoint {
  return { timelineId: hex(branch.timelineId), seq: branch.head.seq, lsn: branch.head.lsn };
}

/** Reads what is known of a branch. */
export function describeBranch(refs: Refs, name: string, ref: BranchRef): Branch {
  const timelineId = Buffer.from(ref.timelineId);
  const info = requireTimeline(refs, hex(timelineId));
  const head = { lsn: ref.lsn, digest: Buffer.from(ref.digest), seq: Number(ref.seq) };
  const bytes = Number(info.forkBytes) + timelineBytes(refs, hex(timelineId));
  const { parent, sharedBytes } = findParent(refs, {
    timelineId: hex(timelineId),
    seq: head.seq,
    lsn: head.lsn,
  });
  return {
    name,
    head,
    timelineId,
    start: fromBinary(StartRecordSchema, info.start),
    frames: head.seq + 1,
    bytes,
    ownBytes: bytes - sharedBytes,
    parent,
    proof: ref.proof,
  };
}

function findParent(refs: Refs, point: ChainPoint): { parent: string | undefined; sharedBytes: number } {
  const [own, ...parents] = lineage(refs, point);
  let { forkBytes } = requireTimeline(refs, own.timelineId);
  let sharedBytes = Number(forkBytes);
  for (const { timelineId } of parents) {
    // A timeline can be left before the point where it left its own parent.
    sharedBytes = Math.min(sharedBytes, Number(forkBytes));
    for (const [name, ref] of refs.branch.entries()) {
      if (hex(ref.timelineId) === timelineId) return { parent: String(name), sharedBytes };
    }
    ({ forkBytes } = requireTimeline(refs, timelineId));
  }
  return { parent: undefined, sharedBytes: 0 };
}
