import type { SourceSlot } from "../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../errors.js";
import { type Lsn, parseLsn } from "../lsn.js";
import { type Connection, connect } from "../pgwire/connect.js";
import { dropIfThere } from "./import/follow-slot.js";
import { identifySystem } from "./replication/identify-system.js";
import { onlyRow } from "./replication/only-row.js";
import { show } from "./replication/show.js";

/** How long a server may take to answer, in milliseconds: nobody waits longer for one that is gone. */
const ASK_MS = 3_000;
const DROP_MS = 5_000;
/** The first version with READ_REPLICATION_SLOT. */
const READS_SLOTS = 150_000;

/** What a server says of a slot. */
export interface SlotFinding {
  readonly state: "idle" | "in use" | "lost" | "gone" | "unknown";
  /** Where the WAL that it keeps begins. */
  readonly restartLsn?: Lsn | undefined;
  /** Bytes of WAL that it keeps. */
  readonly keptBytes?: bigint | undefined;
  /** Why the state is unknown. */
  readonly reason?: string | undefined;
}

/**
 * Asks the servers of slots what has become of these: all at the same time, one connection each, for three seconds. Answers
 * a finding for each slot, in their order. Throws the signal's reason only.
 */
export async function askSourceSlots(
  slots: readonly SourceSlot[],
  signal: AbortSignal,
): Promise<SlotFinding[]> {
  const findings = new Map<SourceSlot, SlotFinding>();
  const uris = [...new Set(slots.map(({ uri }) => uri))];
  const ask = async (uri: string) => {
    const those = slots.filter((slot) => slot.uri === uri);
    try {
      await onServer(uri, ASK_MS, signal, async (connection) => {
        for (const slot of those) findings.set(slot, await askSlot(connection, slot));
      });
    } catch (error) {
      const reason = NeonError.from(error).message;
      for (const slot of those) if (!findings.has(slot)) findings.set(slot, { state: "unknown", reason });
    }
  };
  await Promise.all(uris.map(ask));
  signal.throwIfAborted();
  return slots.map((slot) => findings.get(slot) as SlotFinding);
}

/** Drops a slot at its server. Says whether it was there. Throws what stands in the way, 55006 if it is in use. */
export function dropSourceSlot(slot: SourceSlot, signal: AbortSignal): Promise<boolean> {
  return onServer(slot.uri, DROP_MS, signal, async (connection) => {
    await requireCluster(connection, slot);
    return dropIfThere(connection, slot.name);
  });
}

async function askSlot(connection: Connection, slot: SourceSlot): Promise<SlotFinding> {
  const flushLsn = await requireCluster(connection, slot);
  const version = Number(await show(connection, "server_version_num"));
  const found = version < READS_SLOTS ? await selectSlot(slot) : await readSlot(connection, slot);
  if (found === undefined) return { state: "gone" };
  if (found.restartLsn === undefined) return { state: "lost", keptBytes: 0n };
  const keptBytes = flushLsn > found.restartLsn ? flushLsn - found.restartLsn : 0n;
  return { state: found.inUse ? "in use" : "idle", restartLsn: found.restartLsn, keptBytes };
}

interface Found {
  /** Undefined if the server has given the slot up. */
  readonly restartLsn: Lsn | undefined;
  readonly inUse: boolean;
}

async function readSlot(connection: Connection, { name }: SourceSlot): Promise<Found | undefined> {
  const command = `READ_REPLICATION_SLOT "${name}"`;
  const [type, restart] = onlyRow((await connection.query(command))[0], command, 3);
  return type === null ? undefined : { restartLsn: restart ? parseLsn(restart) : undefined, inUse: false };
}

/** Before version 15 only SQL tells, for which a role that may replicate need not be let in. */
async function selectSlot({ uri, name }: SourceSlot): Promise<Found | undefined> {
  const connection = await connect({ uri, applicationName: "neon", connectTimeoutMs: ASK_MS });
  try {
    const columns = "restart_lsn, wal_status, active";
    const sql = `SELECT ${columns} FROM pg_catalog.pg_replication_slots WHERE slot_name = '${name}'`;
    const [row] = (await connection.query(sql))[0]?.rows ?? [];
    if (row === undefined) return undefined;
    const [restart, status, active] = row;
    return {
      restartLsn: restart && status !== "lost" ? parseLsn(restart) : undefined,
      inUse: active === "t",
    };
  } finally {
    connection.destroy();
  }
}

/** Throws 55000 if another cluster answers where the slot's was. Answers how far WAL is flushed there. */
async function requireCluster(connection: Connection, slot: SourceSlot): Promise<Lsn> {
  const { systemIdentifier, flushLsn } = await identifySystem(connection);
  if (systemIdentifier === slot.systemIdentifier) return flushLsn;
  throw new NeonError("object_not_in_prerequisite_state", "another cluster answers there now", {
    party: "source",
  });
}

async function onServer<T>(
  uri: string,
  timeoutMs: number,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const giveUp = () => ending.abort(signal.reason);
  const tooLate = () =>
    ending.abort(
      new NeonError("connection_failure", `no answer within ${timeoutMs / 1000} s`, { party: "source" }),
    );
  signal.addEventListener("abort", giveUp, { once: true });
  const timer = setTimeout(tooLate, timeoutMs);
  try {
    const connection = await connect({
      uri,
      replication: true,
      applicationName: "neon",
      signal: ending.signal,
    });
    return await work(connection).finally(() => connection.destroy());
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
