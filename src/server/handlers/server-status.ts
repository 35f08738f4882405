import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  ServerStatusRequest,
  ServerStatusResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { VERSION } from "../../version.js";
import type { Context } from "../context.js";

/** server_status: describes this page server. */
export async function serverStatus(
  _request: ServerStatusRequest,
  { directory, store, startedAt, listenAddress }: Context,
): Promise<MessageInitShape<typeof ServerStatusResponseSchema>> {
  return {
    version: VERSION,
    pid: process.pid,
    repository: directory,
    ...(listenAddress !== undefined && { listen: listenAddress }),
    startedAt: timestampFromDate(startedAt),
    branches: store.listBranches().length,
  };
}
