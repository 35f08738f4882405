import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  OriginRemoveRequest,
  OriginRemoveResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { changeOrigins } from "../config.js";
import type { Context } from "../context.js";
import { assertOriginName, unknownOrigin } from "../origins.js";

/** origin_remove: takes an origin out of config.toml. */
export async function originRemove(
  { name }: OriginRemoveRequest,
  { directory, configChanges }: Context,
): Promise<MessageInitShape<typeof OriginRemoveResponseSchema>> {
  const change = (origins: Map<string, string>) => {
    if (origins.delete(name)) return;
    assertOriginName(name);
    throw unknownOrigin(name, origins.keys(), "neon origin list shows the origins.");
  };
  await configChanges.run(() => changeOrigins(directory, change));
  return { name };
}
