import { isAscii, isUtf8 } from "node:buffer";
import { inStringprepTable } from "./stringprep-tables.js";

/**
 * Prepares a password as Postgres does (pg_saslprep): SASLprep (RFC 4013), and the password as it is where that refuses
 * it or where it is not UTF-8. As there, the prohibitions are checked before the normalization and not after it: a
 * verifier must be the same whoever computes it.
 */
export function saslprep(password: Buffer): Buffer {
  if (isAscii(password) || !isUtf8(password)) return password;
  const codePoints = map(Array.from(password.toString("utf8"), (character) => character.codePointAt(0) ?? 0));
  if (codePoints.length === 0 || codePoints.some(isProhibited) || breaksBidiRules(codePoints))
    return password;
  return Buffer.from(String.fromCodePoint(...codePoints).normalize("NFKC"), "utf8");
}

function map(codePoints: readonly number[]): number[] {
  return codePoints
    .map((codePoint) => (inStringprepTable("spaces", codePoint) ? 0x20 : codePoint))
    .filter((codePoint) => !inStringprepTable("nothing", codePoint));
}

function isProhibited(codePoint: number): boolean {
  return inStringprepTable("prohibited", codePoint) || inStringprepTable("unassigned", codePoint);
}

/** RFC 3454, section 6: right-to-left text begins and ends as such, and holds nothing of the other direction. */
function breaksBidiRules(codePoints: readonly number[]): boolean {
  const rightToLeft = (codePoint: number | undefined) =>
    codePoint !== undefined && inStringprepTable("rightToLeft", codePoint);
  if (!codePoints.some(rightToLeft)) return false;
  return (
    codePoints.some((codePoint) => inStringprepTable("leftToRight", codePoint)) ||
    !rightToLeft(codePoints[0]) ||
    !rightToLeft(codePoints.at(-1))
  );
}
