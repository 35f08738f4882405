import { randomBytes } from "node:crypto";
import { NeonError } from "../errors.js";
import type { PasswordUsers } from "../pgwire/listener.js";
import { parseVerifier, type ScramVerifier } from "../pgwire/scram/scram-verifier.js";
import { readConfig } from "./config.js";
import { isLoopback, type ListenAddress } from "./listen-address.js";
import type { Logger } from "./log.js";

/**
 * Makes the function that a listener on `address` asks for its users. It reads config.toml each time, so that a change
 * is in force for the next connection. Without users it lets everybody in, on loopback only: if the last user goes while
 * the listener is open to other machines, nobody gets in.
 *
 * A configuration that cannot be read lets nobody in either (28000); only the log says what is wrong with it.
 */
export function passwordUsers(
  directory: string,
  address: ListenAddress,
  log: Logger,
): () => Promise<PasswordUsers | undefined> {
  // For a config.toml in which somebody wrote the users by hand.
  const substituteNonce = randomBytes(32);
  return async () => {
    const { users, mockAuthenticationNonce: nonce } = await readConfig(directory).catch((thrown: unknown) => {
      log.error({ message: NeonError.from(thrown).message }, "the users cannot be read");
      throw new NeonError("invalid_authorization_specification", "the page server cannot read its users", {
        hint: "Its log says why.",
        cause: thrown,
      });
    });
    if (users.size === 0 && isLoopback(address)) return undefined;
    const verifiers = new Map<string, ScramVerifier>();
    for (const [name, text] of users) {
      const verifier = parseVerifier(text);
      if (verifier !== undefined) verifiers.set(name, verifier);
    }
    return { verifiers, mockNonce: nonce === undefined ? substituteNonce : Buffer.from(nonce, "hex") };
  };
}
