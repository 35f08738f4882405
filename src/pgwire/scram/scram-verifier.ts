import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { saslprep } from "./saslprep.js";

/** What a server keeps of a password: enough to check one, not enough to log in with (RFC 5802, section 3). */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Bytes of SHA-256. */
export const KEY_BYTES = 32;

/** Bytes of a new salt, and iterations of a new verifier: Postgres's defaults. */
export const SALT_BYTES = 16;
export const ITERATIONS = 4096;

const BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
const VERIFIER = new RegExp(`^SCRAM-SHA-256\\$([0-9]{1,10}):(${BASE64})\\$(${BASE64}):(${BASE64})$`);
const MAX_ITERATIONS = 2 ** 31 - 1;

/**
 * Computes the verifier of a password, the bytes that the user typed, in Postgres's form (manual: pg_authid):
 * `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`.
 */
export async function createVerifier(
  password: Buffer,
  salt: Buffer = randomBytes(SALT_BYTES),
): Promise<string> {
  const salted = await promisify(pbkdf2)(saslprep(password), salt, ITERATIONS, KEY_BYTES, "sha256");
  const storedKey = sha256(hmac(salted, "Client Key"));
  const serverKey = hmac(salted, "Server Key");
  const [saltText, storedText, serverText] = [salt, storedKey, serverKey].map((key) =>
    key.toString("base64"),
  );
  return `SCRAM-SHA-256$${ITERATIONS}:${saltText}$${storedText}:${serverText}`;
}

/** Reads a verifier in Postgres's form. Undefined for any other text. */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const match = VERIFIER.exec(text);
  if (match === null) return undefined;
  const iterations = Number(match[1]);
  const [salt, storedKey, serverKey] = match.slice(2).map((part) => Buffer.from(part, "base64"));
  if (iterations < 1 || iterations > MAX_ITERATIONS) return undefined;
  if (!salt?.length || storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES) return undefined;
  return { iterations, salt, storedKey, serverKey };
}

/**
 * The verifier that stands in for a user's who does not exist, so that a client learns no more than that its password is
 * wrong. The salt is the same at each attempt, as a real one is; nobody knows a password for it.
 */
export function mockVerifier(user: string, nonce: Uint8Array): ScramVerifier {
  const salt = createHash("sha256").update(user, "utf8").update(nonce).digest().subarray(0, SALT_BYTES);
  const key = Buffer.alloc(KEY_BYTES);
  return { iterations: ITERATIONS, salt, storedKey: key, serverKey: key };
}

/** HMAC-SHA-256 of a text of bytes. */
export function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text, "latin1").digest();
}

/** SHA-256 of a key. */
export function sha256(key: Buffer): Buffer {
  return createHash("sha256").update(key).digest();
}
