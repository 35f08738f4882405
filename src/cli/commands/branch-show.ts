import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatFields, formatHead, formatHex, formatTime } from "../format.js";
import { formatProver } from "../format-prover.js";

/** `neon branch show`. */
export const branchShowCommand = defineCommand({
  name: "show",
  summary: "Describe a branch",
  arguments: { branch: { kind: "branch", describe: "The branch" } },
  run: async (args) => {
    const { formatLsn } = await import("../../lsn.js");
    await callAndPrint(args, "branchShow", { branch: args.branch }, ({ proof, ...branch }) =>
      formatFields({
        branch: branch.name,
        head: formatHead(branch.head),
        digest: branch.head && formatHex(branch.head.digest),
        timeline: formatHex(branch.timelineId),
        frames: String(branch.frames),
        size: formatBytes(branch.bytes),
        "system identifier": String(branch.systemIdentifier),
        "server version": formatVersion(branch.serverVersionNum),
        "backup start": formatLsn(branch.backupStartLsn),
        "WAL segments": formatBytes(branch.walSegmentSize),
        imported: branch.importedAt && formatTime(branch.importedAt),
        proven:
          proof &&
          `at ${formatLsn(proof.lsn)}, ${proof.at && formatTime(proof.at)}, by ${formatProver(proof)}`,
      }),
    );
  },
});

/** `15.18` of server_version_num 150018. */
function formatVersion(serverVersionNum: number): string {
  return `PostgreSQL ${Math.floor(serverVersionNum / 10000)}.${serverVersionNum % 10000}`;
}
