import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type TimelineInfo, TimelineInfoSchema } from "../../gen/neon/store/v1/store_pb.js";
import type { ChainPoint } from "./chain.js";
import type { Refs } from "./refs.js";

/**
 * Makes a timeline without frames of its own that goes on from `point`, for one branch to stand on, and returns its id.
 * `forkBytes` are those of the frames up to the point. Must run inside a transaction that puts the branch there.
 */
export function putForkTimeline(
  refs: Refs,
  point: ChainPoint,
  chain: Pick<TimelineInfo, "start" | "startDigest" | "forkBytes">,
): string {
  const timelineId = randomBytes(16).toString("hex");
  refs.timeline.put(
    timelineId,
    create(TimelineInfoSchema, {
      ...chain,
      parent: Buffer.from(point.timelineId, "hex"),
      forkSeq: BigInt(point.seq),
      forkLsn: point.lsn,
    }),
  );
  return timelineId;
}
