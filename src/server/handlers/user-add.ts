import type { MessageInitShape } from "@bufbuild/protobuf";
import type { UserAddRequest, UserAddResponseSchema } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { parseVerifier } from "../../pgwire/scram/scram-verifier.js";
import { changeUsers } from "../config.js";
import type { Context } from "../context.js";
import { assertUserName } from "../users.js";

/** user_add: writes a user into config.toml, or the new verifier of one that is there. */
export async function userAdd(
  { name, verifier }: UserAddRequest,
  { directory, configChanges }: Context,
): Promise<MessageInitShape<typeof UserAddResponseSchema>> {
  assertUserName(name);
  if (parseVerifier(verifier) === undefined) {
    throw new NeonError("invalid_parameter_value", "that is no verifier of a password", {
      hint: "Passwords do not travel: neon user add NAME asks for one and sends SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.",
    });
  }
  await configChanges.run(() => changeUsers(directory, (users) => void users.set(name, verifier)));
  return { name };
}
