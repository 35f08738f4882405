import { NeonError } from "../errors.js";
import { type Lsn, parseLsn } from "../lsn.js";

/** A Postgres timeline (the number in WAL file names) in the history of a cluster, which leaves it where the next begins. */
export interface Timeline {
  readonly id: number;
  readonly begin: Lsn;
}

/**
 * The timelines that lead to timeline `id`, itself last, as its history file tells them (manual: 26.3.6); timeline 1 has
 * none. Timelines that were left where they began hold no WAL and are dropped. Throws XX001 for a file that tells nothing.
 */
export function parseTimelines(id: number, historyFile: Uint8Array | undefined): Timeline[] {
  const timelines: Timeline[] = [];
  let begin: Lsn = 0n;
  for (const line of historyLines(historyFile)) {
    const match = /^(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line);
    const end = match === null ? undefined : parseLsn(match[2] as string);
    if (match === null || end === undefined || end < begin) throw damaged(id);
    if (end > begin) timelines.push({ id: Number(match[1]), begin });
    begin = end;
  }
  if (id > 1 && begin === 0n) throw damaged(id);
  return [...timelines, { id, begin }];
}

/** The timeline that the byte at `lsn` was written on. */
export function timelineAt(timelines: readonly Timeline[], lsn: Lsn): Timeline {
  return timelines.findLast(({ begin }) => begin <= lsn) ?? (timelines[0] as Timeline);
}

/** Cuts WAL from `lsn` on where the timeline changes. The parts share the bytes of `data`. */
export function* splitByTimeline(
  timelines: readonly Timeline[],
  lsn: Lsn,
  data: Buffer,
): Generator<{ timelineId: number; lsn: Lsn; data: Buffer }> {
  for (let at = 0; at < data.length; ) {
    const begin = lsn + BigInt(at);
    const next = timelines.find((timeline) => timeline.begin > begin)?.begin;
    const end = next === undefined ? data.length : Math.min(data.length, at + Number(next - begin));
    yield { timelineId: timelineAt(timelines, begin).id, lsn: begin, data: data.subarray(at, end) };
    at = end;
  }
}

/** Where two histories part: the first LSN from which on they name different timelines; undefined if they never do. */
export function forkPoint(a: readonly Timeline[], b: readonly Timeline[]): Lsn | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x === undefined || y === undefined) return (x ?? y)?.begin;
    if (x.id !== y.id || x.begin !== y.begin) return x.begin < y.begin ? x.begin : y.begin;
  }
  return undefined;
}

function historyLines(file: Uint8Array | undefined): string[] {
  const lines = Buffer.from(file ?? [])
    .toString("latin1")
    .split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

function damaged(id: number): NeonError {
  return new NeonError("data_corrupted", `the history file of timeline ${id} cannot be read`, {
    party: "source",
  });
}
