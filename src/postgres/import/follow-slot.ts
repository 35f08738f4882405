import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { type SourceSlot, SourceSlotSchema } from "../../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../../errors.js";
import type { Connection } from "../../pgwire/connection.js";
import type { SourceSlots } from "../../timeline/source-slots.js";
import { createPermanentSlot, dropSlot } from "../replication/create-replication-slot.js";
import { postgresAddress } from "./explain-error.js";

/** What a slot for following is to be, where none was made before. */
export interface FollowSlotOptions {
  /** Its name; another one is made of it where somebody else has a slot of that name. */
  readonly name: string;
  /** Where the repository is: slots that a copy of it elsewhere has made are not used. */
  readonly place: string;
  /** The Postgres's connection URI without a password: it is recorded. */
  readonly uri: string;
}

/** What a {@link FollowSlot} works with. */
export interface FollowSlotContext extends FollowSlotOptions {
  /** The durable list of slots. */
  readonly slots: SourceSlots;
  readonly branch: string;
  readonly systemIdentifier: bigint;
  readonly notice: (text: string) => void;
}

/** How many slots of others may stand in the way of a name. */
const MAX_NAMES = 20;

/**
 * The permanent replication slot that keeps WAL on a server for a branch. It is on the repository's list before it is made
 * and until it is known to be gone, so that it is not forgotten: it would fill that server's disk.
 */
export class FollowSlot {
  /** Whether {@link hold} has made it, rather than found it. */
  isNew = false;
  readonly #slots: SourceSlots;
  readonly #slot: SourceSlot;

  private constructor(slots: SourceSlots, slot: SourceSlot) {
    this.#slots = slots;
    this.#slot = slot;
  }

  /** Its name. */
  get name(): string {
    return this.#slot.name;
  }

  /**
   * Takes the slot that was made for the branch on this cluster before, or makes one: also on another server of the
   * cluster, under the same name. A slot of that name that is not on the list is somebody else's and stays as it is.
   */
  static async hold(connection: Connection, context: FollowSlotContext): Promise<FollowSlot> {
    const { slots, branch, place, uri, systemIdentifier, notice } = context;
    const address = postgresAddress(uri);
    const mine = slots
      .ofBranch(branch)
      .filter((slot) => slot.place === place && slot.systemIdentifier === systemIdentifier);
    const known = mine.find((slot) => slot.address === address) ?? mine[0];
    const taken = new Set(slots.list().map(({ name }) => name));
    const names = Array.from({ length: MAX_NAMES }, (_, i) =>
      i === 0 ? context.name : `${context.name}_${i + 1}`,
    );
    for (const name of known === undefined ? names.filter((name) => !taken.has(name)) : [known.name]) {
      const before = known?.address === address ? known : undefined;
      const createdAt = before?.createdAt ?? timestampNow();
      const slot = create(SourceSlotSchema, {
        name,
        address,
        uri,
        systemIdentifier,
        branch,
        place,
        createdAt,
      });
      await slots.put(slot);
      const follow = new FollowSlot(slots, slot);
      try {
        follow.isNew = await createPermanentSlot(connection, name);
      } catch (error) {
        if (before === undefined) await slots.remove(slot);
        throw error;
      }
      if (follow.isNew || known !== undefined) return follow;
      await slots.remove(slot);
      notice(
        `there is a replication slot ${name} on that Postgres already, which this repository knows nothing of: another one is made. If nobody uses it, drop it there: ${dropStatement(name)}`,
      );
    }
    throw new NeonError(
      "duplicate_object",
      `there are replication slots ${context.name} to ${names.at(-1)} on that Postgres already`,
      {
        party: "source",
        hint: `Drop those that nobody uses: ${dropStatement(context.name)}`,
      },
    );
  }

  /** Makes it anew: where it is new to a branch, or the server has invalidated it. Throws 55006 if it is in use. */
  async renew(connection: Connection): Promise<void> {
    if (this.isNew) return;
    await dropIfThere(connection, this.name);
    this.isNew = await createPermanentSlot(connection, this.name);
  }

  /** Drops it, and takes it off the list. */
  async drop(connection: Connection): Promise<void> {
    await dropIfThere(connection, this.name);
    await this.#slots.remove(this.#slot);
  }
}

/** The statement that drops a slot, for people. */
export function dropStatement(name: string): string {
  return `SELECT pg_drop_replication_slot('${name}');`;
}

/** Drops a slot. Says whether it was there. Throws 55006 if it is in use. */
export async function dropIfThere(connection: Connection, name: string): Promise<boolean> {
  try {
    await dropSlot(connection, name);
    return true;
  } catch (error) {
    if (NeonError.from(error).code === "undefined_object") return false;
    throw error;
  }
}
