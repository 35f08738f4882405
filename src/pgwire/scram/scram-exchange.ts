import { randomBytes, timingSafeEqual } from "node:crypto";
import { NeonError } from "../../errors.js";
import { hmac, KEY_BYTES, type ScramVerifier, sha256 } from "./scram-verifier.js";

/** Random bytes of the server's part of the nonce: Postgres's. */
const NONCE_BYTES = 18;

/**
 * The server's side of one SCRAM-SHA-256 exchange without channel binding (RFC 5802, section 5; RFC 7677). Both methods
 * throw 08P01 or 0A000, with Postgres's texts, for a message that is none. The user's name in it is ignored, as Postgres
 * does: the startup packet has named the user.
 */
export class ScramExchange {
  readonly #verifier: ScramVerifier;
  readonly #doomed: boolean;
  readonly #serverNonce: string;
  #gs2Header = "";
  #clientFirst = "";
  #serverFirst = "";
  #nonce = "";

  /** With `doomed` the exchange runs like any other, and no proof is right. */
  constructor(
    verifier: ScramVerifier,
    doomed: boolean,
    serverNonce = randomBytes(NONCE_BYTES).toString("base64"),
  ) {
    this.#verifier = verifier;
    this.#doomed = doomed;
    this.#serverNonce = serverNonce;
  }

  /** Takes the client-first-message and gives the server-first-message. */
  first(message: Buffer): string {
    const text = textOf(message);
    this.#gs2Header = readGs2Header(text);
    this.#clientFirst = text.slice(this.#gs2Header.length);
    if (this.#clientFirst.startsWith("m"))
      throw unsupported("client requires an unsupported SCRAM extension");
    const attributes = new AttributeReader(this.#clientFirst);
    attributes.expect("n");
    const clientNonce = attributes.expect("r");
    if (!/^[\x21-\x2b\x2d-\x7e]*$/.test(clientNonce)) {
      throw new NeonError("protocol_violation", "non-printable characters in SCRAM nonce", {
        party: "protocol",
      });
    }
    while (!attributes.atEnd) attributes.next();
    this.#nonce = clientNonce + this.#serverNonce;
    const { salt, iterations } = this.#verifier;
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString("base64")},i=${iterations}`;
    return this.#serverFirst;
  }

  /** Takes the client-final-message and gives the server-final-message; undefined if the proof is wrong. */
  final(message: Buffer): string | undefined {
    const text = textOf(message);
    const attributes = new AttributeReader(text);
    if (attributes.expect("c") !== Buffer.from(this.#gs2Header, "latin1").toString("base64")) {
      const problem = "unexpected SCRAM channel-binding attribute in client-final-message";
      throw new NeonError("protocol_violation", problem, { party: "protocol" });
    }
    const nonce = attributes.expect("r");
    let withoutProof: string;
    let attribute: Attribute;
    do {
      withoutProof = text.slice(0, attributes.offset - 1);
      attribute = attributes.next();
    } while (attribute.name !== "p");
    const proof = Buffer.from(attribute.value, "base64");
    if (proof.length !== KEY_BYTES || proof.toString("base64") !== attribute.value)
      throw malformed("Malformed proof in client-final-message.");
    if (!attributes.atEnd) throw malformed("Garbage found at the end of client-final-message.");
    if (nonce !== this.#nonce) {
      throw new NeonError("protocol_violation", "invalid SCRAM response", {
        detail: "Nonce does not match.",
        party: "protocol",
      });
    }
    return this.#check(proof, `${this.#clientFirst},${this.#serverFirst},${withoutProof}`);
  }

  /** The same work for a right proof, a wrong one, and one of a user who does not exist. */
  #check(proof: Buffer, authMessage: string): string | undefined {
    const { storedKey, serverKey } = this.#verifier;
    const signature = hmac(storedKey, authMessage);
    const clientKey = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] as number)));
    const answer = `v=${hmac(serverKey, authMessage).toString("base64")}`;
    const right = timingSafeEqual(sha256(clientKey), storedKey);
    return right && !this.#doomed ? answer : undefined;
  }
}

interface Attribute {
  readonly name: string;
  readonly value: string;
}

/** Reads `name=value,name=value`. */
class AttributeReader {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Where the next attribute begins. */
  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#text.length;
  }

  /** The value of the next attribute, which has to have this name. */
  expect(name: string): string {
    const found = this.#text.charAt(this.#offset);
    if (found !== name) throw malformed(`Expected attribute "${name}" but found "${printable(found)}".`);
    return this.next().value;
  }

  next(): Attribute {
    const name = this.#text.charAt(this.#offset);
    if (name === "") throw malformed("Attribute expected, but found end of string.");
    if (!/[A-Za-z]/.test(name))
      throw malformed(`Attribute expected, but found invalid character "${printable(name)}".`);
    if (this.#text.charAt(this.#offset + 1) !== "=")
      throw malformed(`Expected character "=" for attribute "${name}".`);
    const comma = this.#text.indexOf(",", this.#offset);
    const end = comma === -1 ? this.#text.length : comma;
    const value = this.#text.slice(this.#offset + 2, end);
    this.#offset = end + 1;
    return { name, value };
  }
}

/** `n,,` or `y,,`: no channel binding, no authorization identity. */
function readGs2Header(text: string): string {
  const flag = text.charAt(0);
  if (flag === "p") {
    throw malformed(
      "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
    );
  }
  if (flag !== "n" && flag !== "y") throw malformed(`Unexpected channel-binding flag "${printable(flag)}".`);
  if (text.charAt(1) !== ",")
    throw malformed(`Comma expected, but found character "${printable(text.charAt(1))}".`);
  const identity = text.charAt(2);
  if (identity === "a") throw unsupported("client uses authorization identity, but it is not supported");
  if (identity !== ",")
    throw malformed(`Unexpected attribute "${printable(identity)}" in client-first-message.`);
  return text.slice(0, 3);
}

/** A message as a text of bytes: what is signed is bytes, whatever they spell. */
function textOf(message: Buffer): string {
  if (message.length === 0) throw malformed("The message is empty.");
  if (message.includes(0)) throw malformed("Message length does not match input length.");
  return message.toString("latin1");
}

/** A character that a client sent, so that it can stand in an error and a log. */
function printable(character: string): string {
  if (/^[\x21-\x7e]$/.test(character)) return character;
  return `0x${(character.charCodeAt(0) || 0).toString(16).padStart(2, "0")}`;
}

function malformed(detail: string): NeonError {
  return new NeonError("protocol_violation", "malformed SCRAM message", { detail, party: "protocol" });
}

function unsupported(message: string): NeonError {
  return new NeonError("feature_not_supported", message, { party: "protocol" });
}
