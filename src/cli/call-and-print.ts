import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
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
  await withPageServer(args, async (connection, options) => {
    const { call, service } = await modules();
    const response = (await call(connection, service.method[name], request, options)) as Response<N>;
    return () => print(args, response, describe(response));
  });
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
