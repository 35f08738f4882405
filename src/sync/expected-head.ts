import { NeonError } from "../errors.js";
import { formatLsn, parseLsn } from "../lsn.js";
import { hex } from "../timeline/chain.js";
import type { Branch } from "../timeline/store.js";

const LSN = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i;
/** A digest, or as much of one as names it; recovery branches are called after 8 digits. */
const DIGEST = /^[0-9A-F]{8,64}$/i;

/** Throws 22023 unless a text can say where a branch stands: an LSN, or a digest in hex or its first 8 digits or more. */
export function assertExpectedForm(expected: string | undefined): void {
  if (expected === undefined || LSN.test(expected) || DIGEST.test(expected)) return;
  throw new NeonError("invalid_parameter_value", `"${expected}" is neither an LSN nor a digest`, {
    hint: "A branch is expected at an LSN, 0/16B3748, or at a digest in hex, of which 8 digits are enough.",
  });
}

/** The lease of --force-with-lease. Throws 40001 unless the branch stands where its user expects it. */
export function assertExpected(name: string, branch: Branch | undefined, expected: string | undefined): void {
  if (expected === undefined) return;
  if (branch === undefined) {
    throw new NeonError(
      "serialization_failure",
      `branch "${name}" is expected to stand somewhere, and does not exist`,
      {
        party: "sink",
        hint: "Without --force-with-lease it is created.",
      },
    );
  }
  const { lsn, digest } = branch.head;
  const holds = LSN.test(expected)
    ? lsn === parseLsn(expected)
    : hex(digest).startsWith(expected.toLowerCase());
  if (holds) return;
  throw new NeonError(
    "serialization_failure",
    `branch "${name}" stands at ${formatLsn(lsn)}, digest ${hex(digest)}, not where it was expected`,
    { party: "sink", hint: "Somebody else has moved it. Look at it before you force it." },
  );
}
