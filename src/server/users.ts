import { NeonError } from "../errors.js";
import { maskPasswords } from "./connection-uri.js";

/** Longest name of a user in bytes: Postgres's NAMEDATALEN less one. */
const MAX_NAME_BYTES = 63;

/** Throws 42602 unless `name` can name a user. The name is not quoted: it may be a misplaced URI. */
export function assertUserName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > 0 && bytes <= MAX_NAME_BYTES && !/\p{Cc}/u.test(name) && maskPasswords(name) === name) return;
  throw new NeonError("invalid_name", "that cannot be the name of a user", {
    hint: `A user's name has 1 to ${MAX_NAME_BYTES} bytes, and no control characters.`,
  });
}
