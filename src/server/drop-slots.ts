import { NeonError } from "../errors.js";
import type { Context } from "./context.js";
import { repositoryPlace } from "./follow-slot-name.js";

/** What became of the replication slots of a branch. */
export interface DroppedSlots {
  /** Names of those that are gone. */
  readonly dropped: string[];
  /** A sentence for each that stays, with the statement that drops it. */
  readonly notes: string[];
}

/**
 * Drops the replication slots that kept WAL for a branch that is gone, as far as their servers answer. What stays is named,
 * and stays on the list. A slot that another repository has made, of which this one is a copy, is that one's.
 */
export async function dropSlotsOf(
  branch: string,
  { directory, store, claims, signal }: Pick<Context, "directory" | "store" | "claims" | "signal">,
): Promise<DroppedSlots> {
  const slots = store.sourceSlots.ofBranch(branch);
  if (slots.length === 0) return { dropped: [], notes: [] };
  const { dropSourceSlot } = await import("../postgres/source-slots.js");
  const place = repositoryPlace(directory);
  const dropped: string[] = [];
  const notes: string[] = [];
  const drop = async (slot: (typeof slots)[number]) => {
    const { name, address } = slot;
    const stays = (why: string) =>
      notes.push(
        `The replication slot ${name} stays on the Postgres at ${address} and keeps WAL there: ${why}. To drop it: neon slot drop ${name}, or there SELECT pg_drop_replication_slot('${name}');`,
      );
    if (slot.place !== place) return stays(`it was made by the repository at ${slot.place}`);
    if (claims.isHeld(branch)) return stays("an import follows with it");
    try {
      await dropSourceSlot(slot, signal);
      await store.sourceSlots.remove(slot);
      dropped.push(name);
    } catch (error) {
      stays(NeonError.from(error).message);
    }
  };
  await Promise.all(slots.map(drop));
  return { dropped, notes };
}
