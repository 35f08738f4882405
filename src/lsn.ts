import { NeonError } from "./errors.js";

/** A log sequence number: a byte position in the WAL stream (manual: pg_lsn). 0n is no position (InvalidXLogRecPtr). */
export type Lsn = bigint;

/** Reads `16/B374D848`. Throws 22023 for anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) {
    throw new NeonError("invalid_parameter_value", `"${text}" is not an LSN`, {
      hint: "An LSN is written as two hexadecimal numbers: 16/B374D848.",
    });
  }
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Writes an LSN as Postgres does: `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}
