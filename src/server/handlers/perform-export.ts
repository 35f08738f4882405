import { isAbsolute } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  PerformExportRequest,
  PerformExportResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { toHeadMessage } from "../../sync/head-message.js";
import type { Context } from "../context.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";

/** perform_export: writes a branch as a data directory on the page server's own host. */
export async function performExport(
  { branch: name, directory, keepConfig }: PerformExportRequest,
  { store, signal, progress }: Context,
): Promise<MessageInitShape<typeof PerformExportResponseSchema>> {
  const begin = performance.now();
  const branch = store.requireBranch(name);
  if (!isAbsolute(directory)) {
    throw new NeonError("invalid_parameter_value", "the directory to export to is not an absolute path", {
      hint: "The page server has a working directory of its own: write the whole path.",
    });
  }
  const { exportBranch } = await import("../../postgres/export/export-branch.js");
  const { bytes, majorVersion, notes, commands } = await exportBranch({
    store,
    branch,
    directory,
    keepConfig: keepConfig ?? false,
    signal,
    onProgress: (step) => progress(progressMessage(step)),
  });
  return {
    branch: name,
    directory,
    head: toHeadMessage(branch.head),
    postgresMajorVersion: majorVersion,
    bytes: BigInt(bytes),
    seconds: secondsSince(begin),
    notes,
    commands,
  };
}
