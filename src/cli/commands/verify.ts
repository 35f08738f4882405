import type { BranchVerifyResponse } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { formatLsn } from "../../lsn.js";
import { callAndPrintAll } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatCount } from "../format.js";

/** `neon verify`: exit status 1 if anything is bad. */
export const verifyCommand = defineCommand({
  name: "verify",
  summary: "Check every byte of a branch, or of all: can a stock Postgres recover it?",
  arguments: { branch: { optional: true, kind: "branch", describe: "The branch; all if not given" } },
  run: async (args) => {
    await callAndPrintAll(args, "branchVerify", { branch: args.branch }, (results) => {
      if (results.some(({ ok }) => !ok)) process.exitCode = 1;
      return results.map(describe).join("\n");
    });
  },
});

function describe(result: BranchVerifyResponse): string {
  const { branch, frames, bytes, pages, savedLsn } = result;
  const checked = `${formatCount(frames, "frame")}, ${formatBytes(bytes)}, ${formatCount(pages, "page checksum")}`;
  const rebuilt =
    result.rebuiltFooters === 0n
      ? ""
      : `\n  ${formatCount(result.rebuiltFooters, "damaged segment footer")} made again of the frames, which are good`;
  if (result.ok) return `${branch}: ok (${checked})${rebuilt}`;
  const saved =
    savedLsn === undefined
      ? "nothing of it can be saved here"
      : `what is before can be saved: neon branch create NAME ${branch}@${formatLsn(savedLsn)}`;
  const again = result.repairable
    ? `\n  to repair it: push it here again from another page server that has it, or neon pull ${branch} from there`
    : "";
  return `${branch}: BAD at frame ${result.badFrame}: ${result.error}\n  ${saved}${again}${rebuilt}`;
}
