import { type Lsn, parseLsn } from "../../lsn.js";
import type { Connection } from "../../pgwire/connection.js";
import { onlyRow, requireValue } from "./only-row.js";

/** What a server says about its cluster. */
export interface SystemIdentity {
  readonly systemIdentifier: bigint;
  /** The Postgres timeline id that the server is on now. */
  readonly timelineId: number;
  /** How far WAL is flushed there. */
  readonly flushLsn: Lsn;
}

/** IDENTIFY_SYSTEM (manual: 55.4). */
export async function identifySystem(connection: Connection): Promise<SystemIdentity> {
  const command = "IDENTIFY_SYSTEM";
  const [systemId, timeline, position] = onlyRow((await connection.query(command))[0], command, 3);
  return {
    systemIdentifier: BigInt(requireValue(systemId, command)),
    timelineId: Number(requireValue(timeline, command)),
    flushLsn: parseLsn(requireValue(position, command)),
  };
}
