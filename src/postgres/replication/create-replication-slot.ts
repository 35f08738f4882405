import { randomBytes } from "node:crypto";
import { NeonError } from "../../errors.js";
import type { Connection } from "../../pgwire/connection.js";

/**
 * CREATE_REPLICATION_SLOT … TEMPORARY PHYSICAL RESERVE_WAL (manual: 55.4), in the syntax that 14 to 18 all take: the
 * server keeps WAL from its last checkpoint on until this connection reports it as flushed, or ends: then the slot is gone.
 * Answers the slot's name, which ends in random digits so that imports side by side do not meet.
 */
export async function createTemporarySlot(connection: Connection, prefix: string): Promise<string> {
  const name = `${prefix}_${randomBytes(8).toString("hex")}`;
  await connection.query(`CREATE_REPLICATION_SLOT "${name}" TEMPORARY PHYSICAL RESERVE_WAL`);
  return name;
}

/**
 * CREATE_REPLICATION_SLOT … PHYSICAL RESERVE_WAL: a slot that outlives the connection. Answers false if there is one of
 * that name, which then stays as it is.
 */
export async function createPermanentSlot(connection: Connection, name: string): Promise<boolean> {
  try {
    await connection.query(`CREATE_REPLICATION_SLOT "${name}" PHYSICAL RESERVE_WAL`);
    return true;
  } catch (error) {
    if (NeonError.from(error).code === "duplicate_object") return false;
    throw error;
  }
}

/** DROP_REPLICATION_SLOT, of a slot that nobody uses. */
export async function dropSlot(connection: Connection, name: string): Promise<void> {
  await connection.query(`DROP_REPLICATION_SLOT "${name}"`);
}
