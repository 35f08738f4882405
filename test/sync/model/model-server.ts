import { join } from "node:path";
import { connectSocket } from "../../../src/pgwire/connect-socket.js";
import type { CopyBoth } from "../../../src/pgwire/copy-both.js";
import { listen } from "../../../src/pgwire/listener.js";
import { type TemporaryStore, temporaryStore } from "../../support/temporary-store.js";
import { type Cut, cutStream } from "./cut-stream.js";

/** One end's part of a conversation. */
export type Talk = (stream: CopyBoth, signal?: AbortSignal) => Promise<unknown>;

/** A store on disk and a real socket through which another end reaches it. */
export interface ModelServer {
  readonly files: TemporaryStore;
  /**
   * Runs a conversation with whoever dials. Resolves, once both ends have come to their end, with what became of each.
   * `onCut` runs in the moment of the cut.
   */
  converse(
    talks: { dialled: Talk; served: Talk },
    cut?: Cut,
    onCut?: () => Promise<void>,
  ): Promise<{ dialled: PromiseSettledResult<unknown>; served: PromiseSettledResult<unknown> }>;
  remove(): Promise<void>;
}

/** Makes one with an empty store. */
export async function modelServer(): Promise<ModelServer> {
  const files = await temporaryStore();
  const path = join(files.path, "socket");
  let talk: Talk = async () => {};
  const listener = await listen({
    path,
    handler: {
      query: async (_sql, reply, _connection, signal) => {
        await talk(reply.copyBoth(), signal);
        reply.commandComplete("DONE");
      },
    },
  });
  return {
    files,
    converse: async ({ dialled, served }, cut, onCut = async () => {}) => {
      const connection = await connectSocket(path);
      let begin = () => {};
      const begun = new Promise<void>((resolve) => {
        begin = resolve;
      });
      const breakOff = async () => {
        await begun;
        connection.destroy();
        await onCut();
      };
      const wrap = (end: Cut["end"], stream: CopyBoth) =>
        cut?.end === end ? cutStream(stream, cut, breakOff) : stream;
      const serving = new Promise((resolve) => {
        talk = (stream, signal) => {
          const running = served(wrap("served", stream), signal);
          resolve(running);
          return running;
        };
      });
      serving.catch(() => {}); // looked at below
      const stream = await connection.copyBoth("go");
      begin();
      const dialling = dialled(wrap("dialled", stream)).then(async (outcome) => {
        await stream.finish();
        return outcome;
      });
      const [first, second] = await Promise.allSettled([dialling, serving]);
      connection.destroy();
      return { dialled: first, served: second };
    },
    remove: async () => {
      await listener.destroy();
      await files.remove();
    },
  };
}
