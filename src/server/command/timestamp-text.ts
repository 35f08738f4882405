import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** OID of timestamptz. */
export const TIMESTAMPTZ_OID = 1184;

/** Writes a time as Postgres prints timestamptz in UTC with DateStyle ISO: `2026-01-31 12:00:00.25+00`. */
export function formatTimestamp(timestamp: Timestamp): string {
  const seconds = new Date(Number(timestamp.seconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
  const micros = String(Math.floor(timestamp.nanos / 1000))
    .padStart(6, "0")
    .replace(/0+$/, "");
  return `${seconds}${micros === "" ? "" : `.${micros}`}+00`;
}

/** Reads what {@link formatTimestamp} writes; undefined if the text is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text);
  if (match === null) return undefined;
  const milliseconds = Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(milliseconds)) return undefined;
  const nanos = Number((match[3] ?? "").padEnd(9, "0"));
  return create(TimestampSchema, { seconds: BigInt(milliseconds / 1000), nanos });
}
