import { NeonError } from "../../errors.js";
import type { ResultSet } from "../../pgwire/connection.js";

/** The values of the only row of a replication command's answer. Throws 08P01 if it has another shape. */
export function onlyRow(result: ResultSet | undefined, command: string, columns: number): (string | null)[] {
  const row = result?.rows[0];
  if (row === undefined || result?.rows.length !== 1 || row.length < columns) {
    throw new NeonError(
      "protocol_violation",
      `the server's answer to ${command} is not a row of ${columns} columns`,
      {
        party: "source",
        hint: "Is this a PostgreSQL server, and is nothing between that changes what it says?",
      },
    );
  }
  return row;
}

/** A value that must not be NULL. Throws 08P01 if it is. */
export function requireValue(value: string | null | undefined, command: string): string {
  if (value === null || value === undefined) {
    throw new NeonError("protocol_violation", `the server's answer to ${command} lacks a value`, {
      party: "source",
    });
  }
  return value;
}
