import { NeonError } from "../errors.js";

const TIMELINE_ID_BYTES = 16;

/** Throws 22023 unless these bytes can be the id of a timeline. */
export function assertTimelineId(id: Uint8Array): void {
  if (id.length === TIMELINE_ID_BYTES) return;
  throw new NeonError(
    "invalid_parameter_value",
    `a timeline id has ${TIMELINE_ID_BYTES} bytes, this one has ${id.length}`,
    { hint: `Write ${2 * TIMELINE_ID_BYTES} hexadecimal digits, all 0 if there is no timeline yet.` },
  );
}
