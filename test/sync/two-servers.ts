import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { connectSocket } from "../../src/pgwire/connect-socket.js";
import type { CopyBothSession } from "../../src/pgwire/connection.js";
import type { CopyBoth } from "../../src/pgwire/copy-both.js";
import { type Listener, listen } from "../../src/pgwire/listener.js";
import { type TemporaryStore, temporaryStore } from "../support/temporary-store.js";

/** Two stores and a real socket between them. */
export interface TwoServers {
  readonly here: TemporaryStore;
  readonly there: TemporaryStore;
  /** Dials; the other end runs `serve` in CopyBoth mode. */
  dial(serve: (stream: CopyBoth, signal: AbortSignal) => Promise<unknown>): Promise<CopyBothSession>;
  /** Ends every connection at once, as a killed process does. */
  cut(): Promise<void>;
}

/** Makes them for one test. */
export async function twoServers(t: ExecutionContext): Promise<TwoServers> {
  const here = await temporaryStore();
  const there = await temporaryStore();
  const listeners: Listener[] = [];
  let dialled = 0;
  t.teardown(async () => {
    for (const listener of listeners) await listener.destroy();
    await here.remove();
    await there.remove();
  });
  return {
    here,
    there,
    dial: async (serve) => {
      const path = join(there.path, `socket${dialled++}`);
      const listener = await listen({
        path,
        handler: {
          query: async (_sql, reply, _connection, signal) => {
            await serve(reply.copyBoth(), signal);
            reply.commandComplete("DONE");
          },
        },
      });
      listeners.push(listener);
      const connection = await connectSocket(path);
      t.teardown(() => connection.destroy());
      return connection.copyBoth("go");
    },
    cut: async () => {
      for (const listener of listeners.splice(0)) await listener.destroy();
    },
  };
}
