import { NeonError } from "../../errors.js";

/** The error for an index that is not as it was written: `what` completes "it …" or "its …". */
export function damagedIndex(what: string, path?: string): NeonError {
  const where = path === undefined ? "" : ` (${path})`;
  return new NeonError("data_corrupted", `the index of the store is damaged: ${what}${where}`, {
    hint: HINT,
  });
}

/** The error for an index that is not there. */
export function missingIndex(path: string): NeonError {
  return new NeonError("data_corrupted", `the index of the store is missing (${path})`, { hint: HINT });
}

const HINT =
  "It names the branches. Put .neon/store back from a copy, or find the branches again in the segments: neon repair --rebuild-index.";
