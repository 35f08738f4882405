import type { MessageInitShape } from "@bufbuild/protobuf";
import type { UserListRequest, UserListResponseSchema } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { readConfig } from "../config.js";
import type { Context } from "../context.js";

/** user_list: a row a user, without the verifiers. */
export async function* userList(
  _request: UserListRequest,
  { directory }: Context,
): AsyncGenerator<MessageInitShape<typeof UserListResponseSchema>> {
  const { users } = await readConfig(directory);
  for (const name of [...users.keys()].sort()) yield { name, method: "scram-sha-256" };
}
