import { type ErrorCode, NeonError } from "../errors.js";

/** An input/output error among them: the disk does not give the bytes back. */
const CODES: readonly ErrorCode[] = ["data_corrupted", "protocol_violation", "io_error"];

/** Whether reading a segment failed because its bytes are not those that were written. */
export function isDamage(error: unknown): boolean {
  return CODES.includes(NeonError.from(error).code);
}
