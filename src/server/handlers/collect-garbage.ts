import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CollectGarbageRequest,
  CollectGarbageResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Context } from "../context.js";

/** collect_garbage: frees what no branch reaches. */
export async function collectGarbage(
  { all, noBranches }: CollectGarbageRequest,
  { store, log }: Context,
): Promise<MessageInitShape<typeof CollectGarbageResponseSchema>> {
  const { segments, bytes } = await store.collectGarbage(all ?? false, noBranches ?? false);
  log.info({ segments, bytes }, "garbage collected");
  return { segments: BigInt(segments), bytes: BigInt(bytes) };
}
