import type { Socket } from "node:net";
import { NeonError } from "../errors.js";
import { BodyReader } from "./body-reader.js";
import type { MessageReader } from "./message-reader.js";
import { StartupCode } from "./message-types.js";

/** Longest StartupMessage in bytes that is taken; Postgres takes as much. */
export const MAX_STARTUP_BYTES = 10_000;

/** How a client begins. */
export type Startup =
  | {
      readonly kind: "session";
      readonly parameters: ReadonlyMap<string, string>;
      /** Protocol options (`_pq_.…`) that it asks for and nobody here knows. */
      readonly unknownOptions: readonly string[];
      /** Whether it asks for a newer minor version of the protocol than 3.0. */
      readonly newer: boolean;
    }
  | { readonly kind: "cancel"; readonly processId: number; readonly secretKey: number };

/**
 * Reads what a client sends first (manual: 55.2.1). Declines TLS and GSSAPI encryption, once each. Undefined if it leaves
 * without a word. Throws 08P01 or 0A000 for what is no startup of protocol 3.
 */
export async function readStartup(reader: MessageReader, socket: Socket): Promise<Startup | undefined> {
  const declined = new Set<number>();
  for (;;) {
    const message = await reader.nextUntyped();
    if (message === undefined) return undefined;
    const body = new BodyReader(message.body);
    const code = body.int32();
    if (code === StartupCode.CancelRequest) {
      return { kind: "cancel", processId: body.int32(), secretKey: body.int32() };
    }
    if (code !== StartupCode.SSLRequest && code !== StartupCode.GSSENCRequest)
      return parseStartup(code, body);
    if (declined.has(code))
      throw new NeonError("protocol_violation", "encryption was asked for twice", { party: "protocol" });
    declined.add(code);
    socket.write("N");
  }
}

function parseStartup(version: number, body: BodyReader): Startup {
  if (version >> 16 !== 3) {
    const asked = `${version >>> 16}.${version & 0xffff}`;
    throw new NeonError("feature_not_supported", `protocol ${asked} is not supported; 3.0 is`, {
      party: "protocol",
    });
  }
  const parameters = new Map<string, string>();
  const unknownOptions: string[] = [];
  for (let name = body.cstring(); name !== ""; name = body.cstring()) {
    if (name.startsWith("_pq_.")) unknownOptions.push(name);
    parameters.set(name, body.cstring());
  }
  if (!parameters.get("user")) {
    throw new NeonError(
      "invalid_authorization_specification",
      "no PostgreSQL user name specified in startup packet",
    );
  }
  return { kind: "session", parameters, unknownOptions, newer: (version & 0xffff) > 0 };
}
