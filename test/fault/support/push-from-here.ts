import type { ExecutionContext } from "ava";
import { connect } from "../../../src/pgwire/connect.js";
import type { CopyBoth } from "../../../src/pgwire/copy-both.js";
import { branchSource } from "../../../src/sync/branch-source.js";
import type { Outcome } from "../../../src/sync/outcome.js";
import { send } from "../../../src/sync/send.js";
import { decodeControl } from "../../../src/sync/session.js";
import type { Branch, Store } from "../../../src/timeline/store.js";

/** What may happen during a push. */
export interface PushOptions {
  /** Is waited for before each run of frames. */
  readonly beforeRun?: (firstSeq: number) => Promise<void>;
  /** Is told of every acknowledgement: so many frames are durable at the receiver. */
  readonly onAcknowledged?: (frames: number) => void;
}

/** Pushes a branch of a store in this process to branch `main` of a page server on loopback. */
export async function pushFromHere(
  t: ExecutionContext,
  store: Store,
  branch: Branch,
  port: number,
  { beforeRun = async () => {}, onAcknowledged = () => {} }: PushOptions = {},
): Promise<Outcome> {
  const connection = await connect({ uri: `postgresql://127.0.0.1:${port}/` });
  t.teardown(() => connection.destroy());
  const source = branchSource(store, branch);
  const stream = await connection.copyBoth(`branch_push main ${branch.timelineId.toString("hex")}`);
  const listening: CopyBoth = {
    get bytesRead() {
      return stream.bytesRead;
    },
    read: async function* () {
      for await (const message of stream.read()) {
        const control = decodeControl(message.data);
        if (control.case === "acknowledgement") onAcknowledged(Number(control.value.seq) + 1);
        yield message;
      }
    },
    write: (data) => stream.write(data),
    writeMessages: (messages) => stream.writeMessages(messages),
    done: () => stream.done(),
    fail: (error) => stream.fail(error),
  };
  const outcome = await send({
    stream: listening,
    source: {
      ...source,
      runs: async function* (firstSeq) {
        for await (const run of source.runs(firstSeq)) {
          await beforeRun(run.firstSeq);
          yield run;
        }
      },
    },
  });
  await stream.finish();
  await connection.close();
  return outcome;
}
