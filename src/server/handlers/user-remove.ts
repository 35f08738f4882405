import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  UserRemoveRequest,
  UserRemoveResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { nearestName } from "../../nearest-name.js";
import { changeUsers } from "../config.js";
import type { Context } from "../context.js";
import { isLoopback, parseListenAddress } from "../listen-address.js";
import { assertUserName } from "../users.js";

/** user_remove: takes a user out of config.toml. The last one stays while the page server listens beyond loopback. */
export async function userRemove(
  { name }: UserRemoveRequest,
  { directory, configChanges, listenAddress }: Context,
): Promise<MessageInitShape<typeof UserRemoveResponseSchema>> {
  assertUserName(name);
  const change = (users: Map<string, string>) => {
    if (!users.delete(name)) {
      const near = nearestName(name, users.keys());
      throw new NeonError("undefined_object", `user "${name}" does not exist`, {
        hint: `${near === undefined ? "" : `Did you mean "${near}"? `}neon user list lists the users.`,
      });
    }
    if (users.size > 0 || listenAddress === undefined || isLoopback(parseListenAddress(listenAddress)))
      return;
    throw new NeonError(
      "object_not_in_prerequisite_state",
      `user "${name}" is the last one, and the page server listens on ${listenAddress}`,
      { hint: "Add another user first, or stop the page server: without users it listens on loopback only." },
    );
  };
  await configChanges.run(() => changeUsers(directory, change));
  return { name };
}
