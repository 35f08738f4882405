import { NeonError } from "../../errors.js";
import { type Lsn, parseLsn } from "../../lsn.js";

/**
 * Where a Postgres timeline begins: the switch point in the last line of its history file (manual: Timelines). Throws
 * XX001 for a file without one.
 */
export function switchPoint(content: Uint8Array): Lsn {
  const lines = Buffer.from(content).toString("latin1").split("\n");
  const last = lines.map((line) => line.trim()).findLast((line) => line !== "" && !line.startsWith("#"));
  const match = /^\d+\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(last ?? "");
  if (match === null) {
    throw new NeonError("data_corrupted", "a timeline history file names no switch point", {
      party: "source",
    });
  }
  return parseLsn(match[1]);
}
