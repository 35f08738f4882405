import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { PageServerService, Progress } from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import type { GlobalArguments } from "./global-arguments.js";
import { print } from "./print.js";
import { withPageServer } from "./with-page-server.js";

type Methods = typeof PageServerService.method;
type NameOf<Kind> = {
  [N in keyof Methods]: Methods[N]["methodKind"] extends Kind ? N : never;
}[keyof Methods];
type UnaryName = NameOf<"unary">;
type StreamName = Exclude<NameOf<"server_streaming">, "branchPush" | "branchPull">;
type Request<N extends keyof Methods> = MessageInitShape<Methods[N]["input"]>;
type Response<N extends keyof Methods> = MessageShape<Methods[N]["output"]>;

/** What is kept of a command that was canceled, by the last phase of its progress, if one was told. */
const KEPT: { readonly [N in UnaryName]?: (phase: string | undefined) => string } = {
  performPush: () => "What was acknowledged is kept there for a day: push again to send the rest.",
  performPull: () => "What has come is kept for a day: pull again to fetch the rest.",
  performImport: (phase) => {
    if (phase === BASE_BACKUP) return "Nothing is kept of it. Import again.";
    if (phase !== undefined)
      return "What was appended is kept: neon branch list shows how far. Import again for the rest.";
    return "Nothing is kept of a new branch. One that was there keeps what was appended: neon branch list shows how far.";
  },
  performExport: () => "Nothing is kept. Export again.",
};

/** What an import calls the phase in which its branch is not there yet. */
const BASE_BACKUP = "base backup";

/**
 * Has the page server of this repository run one command, shows its progress, and prints its answer: what `describe`
 * makes of it, or JSON. Ctrl-C cancels the command at the page server.
 */
export async function callAndPrint<N extends UnaryName>(
  args: GlobalArguments,
  name: N,
  request: Request<N>,
  describe: (response: Response<N>) => string,
): Promise<void> {
  let phase: string | undefined;
  try {
    await withPageServer(args, async (connection, { onProgress, ...options }) => {
      const { call, service } = await modules();
      const news = onProgress && {
        onProgress(progress: Progress) {
          phase = progress.phase;
          onProgress(progress);
        },
      };
      const response = (await call(connection, service.method[name], request, {
        ...options,
        ...news,
      })) as Response<N>;
      return () => print(args, response, describe(response));
    });
  } catch (thrown) {
    const { code, message, hint, cause } = NeonError.from(thrown);
    const kept = KEPT[name];
    if (code !== "query_canceled" || hint !== undefined || kept === undefined) throw thrown;
    throw new NeonError(code, message, { hint: kept(phase), cause });
  }
}

/** As {@link callAndPrint}, for commands that answer a list. */
export async function callAndPrintAll<N extends StreamName>(
  args: GlobalArguments,
  name: N,
  request: Request<N>,
  describe: (responses: Response<N>[]) => string,
): Promise<void> {
  await withPageServer(args, async (connection, options) => {
    const { callStream, service } = await modules();
    const responses = (await callStream(connection, service.method[name], request, options)) as Response<N>[];
    return () => print(args, responses, describe(responses));
  });
}

async function modules() {
  const [{ call, callStream }, { PageServerService: service }] = await Promise.all([
    import("../server/call.js"),
    import("../../gen/neon/pageserver/v1/service_pb.js"),
  ]);
  return { call, callStream, service };
}
