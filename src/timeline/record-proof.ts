import type { BootProof } from "../../gen/neon/pageserver/v1/service_pb.js";
import type { Branch } from "./branch.js";
import { hex } from "./chain.js";
import type { Refs } from "./refs.js";

/**
 * Takes down what was shown of a branch as it stood. It may have grown since, of which the proof is history; not where
 * it was moved elsewhere meanwhile. Must run inside one write transaction.
 */
export function recordProof(refs: Refs, { name, head, timelineId }: Branch, proof: BootProof): void {
  const ref = refs.branch.get(name);
  if (ref === undefined || hex(ref.timelineId) !== hex(timelineId) || ref.seq < BigInt(head.seq)) return;
  refs.branch.put(name, { ...ref, proof });
}
