import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  OriginListRequest,
  OriginListResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { readConfig } from "../config.js";
import { withoutPassword } from "../connection-uri.js";
import type { Context } from "../context.js";

/** origin_list: a row an origin, without passwords. */
export async function* originList(
  _request: OriginListRequest,
  { directory }: Context,
): AsyncGenerator<MessageInitShape<typeof OriginListResponseSchema>> {
  const { origins } = await readConfig(directory);
  for (const name of [...origins.keys()].sort()) {
    yield { name, uri: withoutPassword(origins.get(name) as string) };
  }
}
