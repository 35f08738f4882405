import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProgressSchema } from "../../../gen/neon/pageserver/v1/service_pb.js";

/** Progress as import and export report it. */
export interface ProgressStep {
  /** What is being done. */
  readonly phase: string;
  readonly bytes: number;
  readonly totalBytes?: number | undefined;
}

/** Progress as the schema has it. */
export function progressMessage({
  phase,
  bytes,
  totalBytes,
}: ProgressStep): MessageInitShape<typeof ProgressSchema> {
  return { phase, bytes: BigInt(bytes), ...(totalBytes !== undefined && { totalBytes: BigInt(totalBytes) }) };
}
