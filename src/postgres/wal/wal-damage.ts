import { NeonError } from "../../errors.js";
import { formatLsn, type Lsn } from "../../lsn.js";

/** The error for WAL that breaks Postgres's own rules: XX001, party `source`. `lsn` says where it does. */
export function walDamage(lsn: Lsn, what: string): NeonError {
  return new NeonError("data_corrupted", `the WAL is damaged at ${formatLsn(lsn)}: ${what}`, {
    party: "source",
    hint: "Check the disk and the memory of the host that the WAL came from; pg_waldump shows its records.",
  });
}
