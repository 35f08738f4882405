import { create, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { DivergenceSchema } from "../../gen/neon/pageserver/v1/session_pb.js";

/** The DETAIL of an error that refuses to move a branch: what the two histories are to each other, as data. */
export function divergenceDetail(divergence: MessageInitShape<typeof DivergenceSchema>): string {
  return toJsonString(DivergenceSchema, create(DivergenceSchema, divergence));
}
