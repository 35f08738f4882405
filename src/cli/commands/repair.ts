import type { Rebuilt } from "../../timeline/rebuild/rebuild-index.js";
import { defineCommand } from "../command.js";
import { formatCount, formatTable } from "../format.js";
import { print } from "../print.js";
import { UsageError } from "../usage-error.js";

/** `neon repair`: what no page server can do, since none starts on such a repository. */
export const repairCommand = defineCommand({
  name: "repair",
  summary: "Find the branches again where the index is damaged or lost",
  options: {
    "rebuild-index": { describe: "Make the index anew from the segments; the old one is kept beside it" },
    "dry-run": { short: ["n"], describe: "Show the branches that would be found, and write nothing" },
  },
  notes:
    "A branch whose name the damaged index still tells keeps it; the others are called found-, with 8 digits of their digest: neon branch rename gives them their own. Branches that were deleted, and frames that a broken-off push left, can be among them. The page server must not run.",
  run: async (args) => {
    const { findRepository } = await import("../../server/config.js");
    const repository = findRepository(".");
    if (!args["rebuild-index"])
      throw new UsageError("repair needs --rebuild-index, which is all that it does", "neon repair --help");
    const { repairRepository } = await import("../../server/repair.js");
    const { formatLsn } = await import("../../lsn.js");
    const { timestampDate } = await import("@bufbuild/protobuf/wkt");
    const found = await repairRepository(repository, args["dry-run"]);
    const rows = found.branches.map(({ name, head, named, start }) => ({
      branch: name,
      lsn: formatLsn(head.lsn),
      digest: head.digest.toString("hex"),
      named,
      imported_at: start.startedAt === undefined ? null : timestampDate(start.startedAt).toISOString(),
    }));
    const table = formatTable(
      ["BRANCH", "HEAD", "DIGEST", "NAME", "IMPORTED"],
      rows.map(({ branch, lsn, digest, named, imported_at: time }) => [
        branch,
        lsn,
        digest.slice(0, 8),
        named ? "from the old index" : "made up",
        time ?? "-",
      ]),
    );
    const json = {
      dry_run: args["dry-run"],
      branches: rows,
      left_segments: found.leftSegments,
      left_in: found.leftDirectory ?? null,
      old_index: found.oldIndex ?? null,
    };
    await print(
      args,
      json,
      `${rows.length === 0 ? "No branches" : table}\n${describe(found, args["dry-run"])}`,
    );
  },
});

function describe(found: Rebuilt, dryRun: boolean): string {
  const { leftSegments, leftDirectory, oldIndex, branches, namesAreWhole } = found;
  const count = formatCount(branches.length, "branch", "branches");
  const lines = [dryRun ? `Would have found ${count}; nothing was written` : `The index has ${count} again`];
  if (!namesAreWhole)
    lines.push("The old index does not tell all its names: branches can be among these that were deleted");
  if (leftSegments.length > 0)
    lines.push(
      `${formatCount(leftSegments.length, "segment")} put aside${leftDirectory === undefined ? "" : ` in ${leftDirectory}`}: damaged at the beginning, or frames are missing before theirs`,
    );
  if (oldIndex !== undefined) lines.push(`The old index is kept in ${oldIndex}`);
  if (!dryRun) lines.push("neon verify says whether all of it is good");
  return lines.join("\n");
}
