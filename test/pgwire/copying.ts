import type { CopyBoth, CopyMessage, ServerHandler } from "../../src/pgwire/listener.js";

/** A handler that answers every Query with a copy, and then with a row count. */
export function copying(
  use: (stream: CopyBoth, signal: AbortSignal) => Promise<void>,
): ServerHandler["query"] {
  return async (sql, reply, _connection, signal) => {
    if (sql !== "ping") await use(reply.copyBoth(), signal);
    reply.rowDescription([{ name: "n", dataTypeID: 20 }]);
    await reply.dataRow([sql]);
    reply.commandComplete("SELECT 1");
  };
}

/** All messages up to CopyDone. */
export async function all(stream: { read(): AsyncIterable<CopyMessage> }): Promise<CopyMessage[]> {
  const messages: CopyMessage[] = [];
  for await (const next of stream.read()) messages.push(next);
  return messages;
}

/** Sends back what comes. */
export async function echo(stream: CopyBoth): Promise<void> {
  for await (const { data } of stream.read()) await stream.write(data);
}
