import { pbkdf2Sync } from "node:crypto";
import { saslprep } from "./saslprep.js";
import { hmac, KEY_BYTES, sha256 } from "./scram-verifier.js";

/** What a client has said and heard when it is to prove its password (RFC 5802, section 5). */
export interface ScramExchangeSoFar {
  readonly clientNonce: string;
  /** The server's first message, such as `r=…,s=…,i=4096`. */
  readonly serverFirst: string;
  /** The client's final message up to its proof: `c=…,r=…`. */
  readonly withoutProof: string;
}

/** The client's final message, and the signature (base64) that the server has to answer with. */
export function proveClient(
  password: string,
  { clientNonce, serverFirst, withoutProof }: ScramExchangeSoFar,
): { response: string; serverSignature: string } {
  const [, salt = "", iterations = "1"] = /,s=([^,]*),i=(\d+)/.exec(serverFirst) ?? [];
  const prepared = saslprep(Buffer.from(password, "utf8"));
  const salted = pbkdf2Sync(prepared, Buffer.from(salt, "base64"), Number(iterations), KEY_BYTES, "sha256");
  const text = `n=*,r=${clientNonce},${serverFirst},${withoutProof}`;
  const clientKey = hmac(salted, "Client Key");
  const signature = hmac(sha256(clientKey), text);
  const proof = clientKey.map((byte, i) => byte ^ (signature[i] as number));
  return {
    response: `${withoutProof},p=${Buffer.from(proof).toString("base64")}`,
    serverSignature: hmac(hmac(salted, "Server Key"), text).toString("base64"),
  };
}
