import type { BootProof, BranchVerifyResponse } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { formatLsn } from "../../lsn.js";
import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatCount, formatSeconds } from "../format.js";
import { formatProver } from "../format-prover.js";

/** `neon verify`: exit status 1 if anything is bad. */
export const verifyCommand = defineCommand({
  name: "verify",
  summary: "Check every byte of a branch, or of all: can a stock Postgres recover it?",
  arguments: { branch: { optional: true, kind: "branch", describe: "The branch; all if not given" } },
  options: {
    boot: {
      describe: "Prove it: start a stock Postgres of this host on a copy, run pg_amcheck, and read all of it",
    },
  },
  run: async (args) => {
    const { branch, boot } = args;
    await callAndPrintAll(args, "branchVerify", { branch, boot }, (results) => {
      if (results.some(({ ok, unproven }) => !ok || unproven !== undefined)) process.exitCode = 1;
      return results.map(describe).join("\n");
    });
  },
});

/** `proven by PostgreSQL 15.18 with pg_amcheck: 3 databases, 210 tables, 4711 rows in 3.2 s`. */
function formatProof(proof: BootProof): string {
  const { databases, tables, rows, seconds } = proof;
  const counts = [formatCount(databases, "database"), formatCount(tables, "table"), formatCount(rows, "row")];
  return `proven by ${formatProver(proof)}: ${counts.join(", ")} read in ${formatSeconds(seconds)}`;
}

function describe(result: BranchVerifyResponse): string {
  const { branch, frames, bytes, pages, savedLsn } = result;
  const checked = `${formatCount(frames, "frame")}, ${formatBytes(bytes)}, ${formatCount(pages, "page checksum")}`;
  const rebuilt =
    result.rebuiltFooters === 0n
      ? ""
      : `\n  ${formatCount(result.rebuiltFooters, "damaged segment footer")} made again of the frames, which are good`;
  const { proof, unproven } = result;
  if (unproven !== undefined) return `${branch}: ok (${checked}), but not proven: ${unproven}${rebuilt}`;
  if (proof !== undefined) return `${branch}: ok (${checked}), ${formatProof(proof)}${rebuilt}`;
  if (result.ok) return `${branch}: ok (${checked})${rebuilt}`;
  // Its frames are good: a Postgres did not take what they hold.
  if (result.badFrame === undefined) return `${branch}: BAD: ${result.error}${rebuilt}`;
  const saved =
    savedLsn === undefined
      ? "nothing of it can be saved here"
      : `what is before can be saved: neon branch create NAME ${branch}@${formatLsn(savedLsn)}`;
  const again = result.repairable
    ? `\n  to repair it: push it here again from another page server that has it, or neon pull ${branch} from there`
    : "";
  return `${branch}: BAD at frame ${result.badFrame}: ${result.error}\n  ${saved}${again}${rebuilt}`;
}
