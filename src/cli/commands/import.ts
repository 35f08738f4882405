import type { PerformImportResponse } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { callAndPrint } from "../call-and-print.js";
import { defineCommand } from "../command.js";
import { formatBytes, formatCount, formatHead, formatTransfer } from "../format.js";
import { WHO_CONNECTS } from "../transfer-options.js";
import { UsageError } from "../usage-error.js";

/** `neon import`: a running stock Postgres becomes a branch, or what it has written since goes onto one. */
export const importCommand = defineCommand({
  name: "import",
  summary: "Make a branch of a running Postgres, or append what it has written since",
  arguments: {
    branch: { kind: "branch", describe: "The branch to make, or to append to if it exists" },
    uri: { describe: "The Postgres, for a role with REPLICATION: postgresql://user@host:port/" },
  },
  options: {
    follow: { describe: "Go on appending WAL as it is written, until Ctrl-C" },
    "no-slot": {
      describe:
        "With --follow: hold no permanent replication slot there, so that WAL can be recycled meanwhile",
    },
  },
  notes: WHO_CONNECTS,
  run: async (args) => {
    const { branch, uri, follow, "no-slot": noSlot } = args;
    if (noSlot && !follow) throw new UsageError("--no-slot goes with --follow");
    await callAndPrint(
      args,
      "performImport",
      { branch, uri, follow, noSlot },
      (imported) => describeImport(imported) + describeSlot(imported),
    );
  },
});

function describeImport(imported: PerformImportResponse): string {
  const { branch, head, frames, bytes, sourceBytes, seconds, startLsn } = imported;
  const at = formatHead(head);
  const kept = `kept as ${formatCount(frames, "frame")} of ${formatBytes(bytes)}`;
  if (startLsn === undefined) {
    return `Imported ${branch} at ${at}: ${formatTransfer(sourceBytes, seconds)}, ${kept}`;
  }
  if (frames === 0n) return `Up to date: ${branch} is at ${at} too`;
  const wal = formatTransfer((head?.lsn ?? 0n) - startLsn, seconds);
  return `Appended to ${branch}, now at ${at}: ${wal}, ${kept}`;
}

/** A slot that nobody comes back for lets the WAL of that Postgres grow until its disk is full. */
function describeSlot({ slot }: PerformImportResponse): string {
  if (slot === undefined) return "";
  return `\nThe replication slot ${slot} stays on that Postgres and keeps its WAL for the next import.\nIf there is to be none, neon slot drop ${slot} drops it, as this does there: SELECT pg_drop_replication_slot('${slot}');`;
}
