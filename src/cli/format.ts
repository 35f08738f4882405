import type { Head } from "../../gen/neon/pageserver/v1/session_pb.js";
import { formatLsn } from "../lsn.js";
import { displayWidth } from "./display-width.js";

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** `1 byte`, `532 bytes`, `1.21 MB`: Postgres's units (1 kB is 1024 bytes), three digits. */
export function formatBytes(bytes: number | bigint): string {
  let value = Number(bytes);
  if (value === 1) return "1 byte";
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `12.3 MB/s`; nothing where too little time has passed to tell. */
export function formatRate(bytes: number | bigint, seconds: number): string {
  return seconds > 0 ? `${formatBytes(Number(bytes) / seconds)}/s` : "";
}

/** `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${padTwo(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${padTwo(Math.floor((whole % 3600) / 60))} min`;
}

/** `3 s`, `2 min 05 s`: time to come is not known any better. */
export function formatTimeLeft(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 100 ? `${whole} s` : formatSeconds(whole);
}

/** `1 frame`, `12 frames`. */
export function formatCount(count: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count} ${Number(count) === 1 ? noun : plural}`;
}

/** Where a branch stands, as its LSN. */
export function formatHead(head: Head | undefined): string {
  return formatLsn(head?.lsn ?? 0n);
}

/** Bytes in hex: a digest, a timeline id. */
export function formatHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** `12.3 MB in 0.42 s (29.3 MB/s)`. */
export function formatTransfer(bytes: number | bigint, seconds: number): string {
  const rate = formatRate(bytes, seconds);
  return `${formatBytes(bytes)} in ${formatSeconds(seconds)}${rate === "" ? "" : ` (${rate})`}`;
}

/** Columns under their titles, two spaces between them. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[column] ?? ""))),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - displayWidth(cell))).join("  ");
  return [titles, ...rows].map((cells) => line(cells).trimEnd()).join("\n");
}

/** A line for each field that has a value, the values below each other. */
export function formatFields(fields: { readonly [name: string]: string | undefined }): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length)) + 1;
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}`)
    .join("\n");
}

/** A time as ISO 8601 writes it. The library's own function comes with all of its types, in a command's start. */
export function formatTime({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): string {
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / 1e6)).toISOString();
}

function padTwo(value: number): string {
  return String(value).padStart(2, "0");
}
