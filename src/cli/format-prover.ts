import type { BootProof } from "../../gen/neon/pageserver/v1/service_pb.js";

/** Who has proved a branch: `PostgreSQL 15.18 with pg_amcheck`. */
export function formatProver({ serverVersion, amcheck }: BootProof): string {
  return `PostgreSQL ${serverVersion} ${amcheck ? "with" : "without"} pg_amcheck`;
}
