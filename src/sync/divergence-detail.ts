import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Decision, DivergenceSchema, type Head } from "../../gen/neon/pageserver/v1/session_pb.js";
import { formatLsn } from "../lsn.js";

/**
 * The DETAIL of an error that refuses to move a branch: what the two histories are to each other, as a JSON object in the
 * form that the schema's Divergence tells.
 */
export function divergenceDetail(init: MessageInitShape<typeof DivergenceSchema>): string {
  const { decision, common, source, destination } = create(DivergenceSchema, init);
  return JSON.stringify({
    decision: Decision[decision]?.toLowerCase() ?? String(decision),
    common: place(common),
    source: place(source),
    destination: place(destination),
  });
}

function place(at: Pick<Head, "lsn" | "digest" | "seq"> | undefined) {
  if (at === undefined) return null;
  return { lsn: formatLsn(at.lsn), digest: Buffer.from(at.digest).toString("hex"), seq: Number(at.seq) };
}
