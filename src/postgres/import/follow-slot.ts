import { createPermanentSlot, dropSlot } from "../replication/create-replication-slot.js";
import type { AppendOptions } from "./append-wal.js";
import { explainError } from "./explain-error.js";
import { connectForReplication } from "./import-source.js";

/**
 * Makes the slot that following needs before `work` imports the cluster, so that no WAL is lost between the two; if
 * `work` fails the slot goes again. Without a slot it just works.
 */
export async function withFollowSlot<T>(
  { uri, slot, signal }: AppendOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (slot === undefined) return work();
  const run = async (
    command: (connection: Awaited<ReturnType<typeof connectForReplication>>) => Promise<unknown>,
  ) => {
    const connection = await connectForReplication(uri, signal?.aborted ? undefined : signal);
    return command(connection).finally(() => connection.destroy());
  };
  const isNew = await run((connection) => createPermanentSlot(connection, slot)).catch((error) => {
    throw explainError(error);
  });
  try {
    return await work();
  } catch (error) {
    // A failure to clean up would hide the reason.
    if (isNew) await run((connection) => dropSlot(connection, slot)).catch(() => undefined);
    throw error;
  }
}
