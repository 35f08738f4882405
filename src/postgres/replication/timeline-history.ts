import type { Connection } from "../../pgwire/connection.js";
import { onlyRow, requireValue } from "./only-row.js";

/**
 * TIMELINE_HISTORY (manual: 55.4): the history file of a Postgres timeline above 1, verbatim.
 * The content is read as latin1: it is bytes, and the file's comments can be in any encoding.
 */
export async function timelineHistory(connection: Connection, timelineId: number): Promise<Buffer> {
  const command = `TIMELINE_HISTORY ${timelineId}`;
  const [result] = await connection.query(command, { encoding: "latin1" });
  const [, content] = onlyRow(result, command, 2);
  return Buffer.from(requireValue(content, command), "latin1");
}
