/** One line of the benchmark. */
export interface BenchCase {
  readonly case: string;
  /** Median of ours, in `unit`. */
  readonly ours: number;
  /** Median of the other program's, or the limit, in `unit`. */
  readonly peer: number;
  readonly unit: "s" | "MB" | "round trips";
  /** What the goal speaks of: ours / peer, or peer / ours where the goal says how many times as fast. */
  readonly ratio: number;
  /** What the ratio has to reach, in words, if there is a goal. */
  readonly goal: string | undefined;
  readonly met: boolean | undefined;
}

/** `ours` may take at most `limit` times as much as `peer`. */
export function atMost(
  name: string,
  unit: BenchCase["unit"],
  ours: number,
  peer: number,
  limit: number,
): BenchCase {
  const ratio = ours / peer;
  return { case: name, ours, peer, unit, ratio, goal: `<= ${limit}`, met: ratio <= limit };
}

/** How many times as fast as `peer` ours is; at least `limit` times, if that is a goal. */
export function timesAsFast(name: string, ours: number, peer: number, limit?: number): BenchCase {
  const ratio = peer / ours;
  const goal = limit === undefined ? undefined : `>= ${limit}`;
  return {
    case: name,
    ours,
    peer,
    unit: "s",
    ratio,
    goal,
    met: limit === undefined ? undefined : ratio >= limit,
  };
}

/** The middle one of the values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** A table for people. */
export function formatTable(cases: readonly BenchCase[]): string {
  const rows = cases.map((line) => [
    line.case,
    `${line.ours.toFixed(2)} ${line.unit}`,
    `${line.peer.toFixed(2)} ${line.unit}`,
    line.ratio.toFixed(2),
    line.goal === undefined ? "" : `${line.goal} ${line.met ? "met" : "MISSED"}`,
  ]);
  const table = [["case", "ours", "peer", "ratio", "goal"], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 0 || column === 4 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return table.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
