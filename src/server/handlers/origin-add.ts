import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  OriginAddRequest,
  OriginAddResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { changeOrigins } from "../config.js";
import { assertConnectionUri } from "../connection-uri.js";
import type { Context } from "../context.js";
import { assertOriginName } from "../origins.js";
import { assertNoBranch } from "../uri-branch.js";

/** origin_add: writes an origin into config.toml. */
export async function originAdd(
  { name, uri }: OriginAddRequest,
  { directory, configChanges }: Context,
): Promise<MessageInitShape<typeof OriginAddResponseSchema>> {
  assertOriginName(name);
  assertConnectionUri(uri);
  assertNoBranch(
    uri,
    `End it with the port. The branch stands behind the origin then: neon push BRANCH ${name}:OTHER`,
  );
  const change = (origins: Map<string, string>) => {
    if (origins.has(name)) {
      throw new NeonError("duplicate_object", `origin "${name}" already exists`, {
        hint: `Choose another name, or remove it first: neon origin remove ${name}`,
      });
    }
    origins.set(name, uri);
  };
  await configChanges.run(() => changeOrigins(directory, change));
  return { name };
}
