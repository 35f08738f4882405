import { NeonError } from "../../errors.js";
import { BodyReader } from "../body-reader.js";
import { buildMessage } from "../build-message.js";
import type { MessageReader } from "../message-reader.js";
import { Backend, Frontend } from "../message-types.js";
import type { MessageWriter } from "../message-writer.js";
import { ScramExchange } from "./scram-exchange.js";
import { mockVerifier, type ScramVerifier } from "./scram-verifier.js";

/** Longest message in bytes that is taken from a client which has not authenticated; Postgres takes as much. */
const MAX_SASL_MESSAGE_BYTES = 1024;

const MECHANISM = "SCRAM-SHA-256";

/** First int32 of an Authentication message (manual: 55.7). */
const AuthenticationCode = { SASL: 10, SASLContinue: 11, SASLFinal: 12 } as const;

/** Who may come in with a password. */
export interface PasswordUsers {
  /** The verifier of each user, by name. */
  readonly verifiers: ReadonlyMap<string, ScramVerifier>;
  /** A secret that stays the same: of it the salts of users are made who do not exist. */
  readonly mockNonce: Uint8Array;
}

/**
 * Has a client prove that it knows the password of `user` (manual: 55.3.1, SCRAM-SHA-256 Authentication). False if it
 * leaves instead, as psql does before it asks for the password. Throws 28P01 for a wrong password and for a user that
 * does not exist, with nothing to tell one from the other.
 */
export async function authenticate(
  reader: MessageReader,
  writer: MessageWriter,
  user: string,
  { verifiers, mockNonce }: PasswordUsers,
): Promise<boolean> {
  reader.limit = () => MAX_SASL_MESSAGE_BYTES;
  const send = (code: number, text: string) =>
    writer.send(buildMessage(Backend.Authentication, code, Buffer.from(text, "latin1")));
  const verifier = verifiers.get(user);
  const exchange = new ScramExchange(verifier ?? mockVerifier(user, mockNonce), verifier === undefined);

  send(AuthenticationCode.SASL, `${MECHANISM}\0\0`);
  const initial = await nextResponse(reader);
  if (initial === undefined) return false;
  let first = readInitialResponse(initial);
  if (first === undefined) {
    send(AuthenticationCode.SASLContinue, "");
    first = await nextResponse(reader);
    if (first === undefined) return false;
  }
  send(AuthenticationCode.SASLContinue, exchange.first(first));
  const final = await nextResponse(reader);
  if (final === undefined) return false;
  const proven = exchange.final(final);
  if (proven === undefined) {
    throw new NeonError("invalid_password", `password authentication failed for user "${user}"`);
  }
  send(AuthenticationCode.SASLFinal, proven);
  return true;
}

/** The body of the client's next SASLInitialResponse or SASLResponse; undefined if it has left. */
async function nextResponse(reader: MessageReader): Promise<Buffer | undefined> {
  const message = await reader.next();
  if (message === undefined || message.type === Frontend.Terminate) return undefined;
  if (message.type === Frontend.SASLResponse) return message.body;
  throw new NeonError("protocol_violation", `expected SASL response, got message type ${message.type}`, {
    party: "protocol",
  });
}

/** The client-first-message that a SASLInitialResponse may hold. */
function readInitialResponse(body: Buffer): Buffer | undefined {
  const fields = new BodyReader(body);
  if (fields.cstring() !== MECHANISM) {
    throw new NeonError("protocol_violation", "client selected an invalid SASL authentication mechanism", {
      party: "protocol",
    });
  }
  const length = fields.int32();
  const data = length === -1 ? undefined : fields.bytes(length);
  if (fields.left > 0)
    throw new NeonError("protocol_violation", "invalid message format", { party: "protocol" });
  return data;
}
