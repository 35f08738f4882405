import type { Connection } from "../../pgwire/connection.js";
import { identifySystem } from "../replication/identify-system.js";
import type { AppendOptions } from "./append-wal.js";
import { explainError } from "./explain-error.js";
import { FollowSlot } from "./follow-slot.js";
import { connectForReplication } from "./import-source.js";
import type { SourceNotices } from "./source-notices.js";

/** The slot of a branch that is to be imported and then followed. */
export interface PreparedSlot {
  readonly slot: FollowSlot;
  /** Drops it after an import that failed. A failure to do so leaves it on the list: it would hide the reason. */
  forget(): Promise<void>;
}

/**
 * Makes the slot that following needs before the cluster is imported, so that no WAL is lost between the two, and tells what
 * the server's settings mean for it. A slot that the branch's name had before is made anew. Undefined without a slot.
 */
export async function prepareFollowing(
  options: AppendOptions,
  notices: SourceNotices,
): Promise<PreparedSlot | undefined> {
  const { slot: wanted, branch, store, onNotice } = options;
  if (wanted === undefined) return undefined;
  const slot = await onConnection(options, async (connection) => {
    const { systemIdentifier } = await identifySystem(connection);
    const notice = onNotice ?? (() => {});
    const context = { ...wanted, slots: store.sourceSlots, branch, systemIdentifier, notice };
    const held = await FollowSlot.hold(connection, context);
    await held.renew(connection);
    await notices.ask(connection, held.name);
    return held;
  }).catch((error) => {
    throw explainError(error);
  });
  return {
    slot,
    forget: () => onConnection(options, (connection) => slot.drop(connection)).catch(() => undefined),
  };
}

async function onConnection<T>(
  { uri, signal, onNotice }: AppendOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connectForReplication(uri, signal?.aborted ? undefined : signal, onNotice);
  return work(connection).finally(() => connection.destroy());
}
