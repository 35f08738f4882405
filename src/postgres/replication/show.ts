import { NeonError } from "../../errors.js";
import type { Connection } from "../../pgwire/connection.js";
import { onlyRow, requireValue } from "./only-row.js";

/** SHOW (manual: 55.4): a run-time parameter as text. `name` is one of ours, never user input. */
export async function show(connection: Connection, name: string): Promise<string> {
  const command = `SHOW ${name}`;
  const [value] = onlyRow((await connection.query(command))[0], command, 1);
  return requireValue(value, command);
}

/** SHOW of a size, in bytes. */
export async function showBytes(connection: Connection, name: string): Promise<number> {
  return parseBytes(await show(connection, name));
}

const UNITS: Record<string, number> = { "": 1, B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };

/** Reads a size as SHOW writes it: `8192`, `16MB`, `1GB` (manual: 20.1.1). */
export function parseBytes(text: string): number {
  const match = /^(\d+)([kMGT]?B)?$/.exec(text);
  const unit = match === null ? undefined : UNITS[match[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new NeonError("protocol_violation", `"${text}" is not a size as PostgreSQL writes it`, {
      party: "source",
    });
  }
  return Number(match[1]) * unit;
}
