import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { CopyBoth } from "../pgwire/copy-both.js";
import type { Reply } from "../pgwire/listener.js";
import { isCopyBoth } from "./command/commands.js";
import { describeRow, formatRow } from "./command/row.js";
import type { Context, ServerContext } from "./context.js";
import type { StreamingHandler, UnaryHandler } from "./handler.js";
import { HANDLERS } from "./handlers.js";
import { progressNotices } from "./progress-notices.js";

/** Runs the handler of a method and writes its answer; it may add `facts` for the log. Throws what the handler throws. */
export async function dispatch(
  server: ServerContext,
  method: DescMethod,
  request: Message,
  reply: Reply,
  signal: AbortSignal,
  facts: Record<string, unknown>,
): Promise<void> {
  // The table's mapped type ties each handler to its method; here the method is known only at run time.
  const handler = HANDLERS[method.localName as keyof typeof HANDLERS] as unknown;
  const progress = wantsProgress(request) ? progressNotices(reply, signal) : () => {};
  const notice = (message: string) => {
    // After an abort there may be nobody left to tell.
    if (!signal.aborted) reply.notice({ severity: "NOTICE", code: "00000", message });
  };
  const context: Context = { ...server, signal, progress, notice, facts };
  if (isCopyBoth(method)) {
    await (handler as DynamicCopyBothHandler)(request, context, () => reply.copyBoth());
    reply.commandComplete("COPY");
  } else if (method.methodKind === "unary") {
    const response = await (handler as UnaryHandler<DescMethod>)(request, context);
    reply.rowDescription(describeRow(method.output));
    await reply.dataRow(formatRow(method.output, response));
    reply.commandComplete("SELECT 1");
  } else {
    reply.rowDescription(describeRow(method.output));
    let rows = 0;
    for await (const response of (handler as StreamingHandler<DescMethod>)(request, context)) {
      await reply.dataRow(formatRow(method.output, response));
      rows++;
    }
    reply.commandComplete(`SELECT ${rows}`);
  }
}

type DynamicCopyBothHandler = (request: Message, context: Context, open: () => CopyBoth) => Promise<void>;

function wantsProgress(request: Message): boolean {
  return "progress" in request && request.progress === true;
}
