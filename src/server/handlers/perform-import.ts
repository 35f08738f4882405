import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  PerformImportRequest,
  PerformImportResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import { assertBranchName } from "../../timeline/branch-name.js";
import { assertConnectionUri, withoutPassword } from "../connection-uri.js";
import type { Context } from "../context.js";
import { followSlotName, repositoryPlace } from "../follow-slot-name.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";
import { throwIfFailed } from "./throw-if-failed.js";

/** perform_import: makes a branch of a running Postgres, or appends what that has written since to one that exists. */
export async function performImport(
  { branch: name, uri, follow = false, noSlot = false }: PerformImportRequest,
  { directory, store, claims, signal, closing, progress, notice, log }: Context,
): Promise<MessageInitShape<typeof PerformImportResponseSchema>> {
  const begin = performance.now();
  assertConnectionUri(uri);
  assertBranchName(name);
  const slot = {
    name: followSlotName(directory, name),
    place: repositoryPlace(directory),
    uri: withoutPassword(uri),
  };
  const { importBranch } = await import("../../postgres/import/import-branch.js");
  const imported = await claims.hold(name, () =>
    importBranch({
      store,
      branch: name,
      uri,
      follow,
      slot: noSlot ? undefined : slot,
      signal: follow ? AbortSignal.any([signal, closing]) : signal,
      log,
      onNotice(text) {
        log.info({ branch: name }, `import: ${text}`);
        notice(text);
      },
      onProgress: (step) => progress(progressMessage(step)),
    }),
  );
  throwIfFailed(signal);
  const { branch, frames, bytes, sourceBytes, startLsn } = imported;
  return {
    branch: name,
    head: toHeadMessage(branch.head),
    frames: BigInt(frames),
    bytes: BigInt(bytes),
    sourceBytes: BigInt(sourceBytes),
    seconds: secondsSince(begin),
    ...(startLsn !== undefined && { startLsn }),
    slot: imported.slot,
  };
}
