import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  PerformImportRequest,
  PerformImportResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { toHeadMessage } from "../../sync/head-message.js";
import { assertConnectionUri } from "../connection-uri.js";
import type { Context } from "../context.js";
import { progressMessage } from "./progress-message.js";
import { secondsSince } from "./seconds-since.js";

/** perform_import: makes a branch of a running Postgres. */
export async function performImport(
  { branch: name, uri }: PerformImportRequest,
  { store, claims, signal, progress, log }: Context,
): Promise<MessageInitShape<typeof PerformImportResponseSchema>> {
  const begin = performance.now();
  assertConnectionUri(uri);
  store.assertBranchNameIsFree(name);
  const { importCluster } = await import("../../postgres/import/import-cluster.js");
  const { branch, frames, bytes, sourceBytes } = await claims.hold(name, () =>
    importCluster({
      store,
      branch: name,
      uri,
      signal,
      log,
      onProgress: (step) => progress(progressMessage(step)),
    }),
  );
  return {
    branch: name,
    head: toHeadMessage(branch.head),
    frames: BigInt(frames),
    bytes: BigInt(bytes),
    sourceBytes: BigInt(sourceBytes),
    seconds: secondsSince(begin),
  };
}
