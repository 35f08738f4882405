const BEGIN = "# --- written by neon export: begin ---";
const END = "# --- written by neon export: end ---";

/** What stands before a line of the source that no longer counts. */
export const TAKEN_OUT = "# taken out by neon export: ";

/** The lines of a configuration file without those of an earlier export. */
export function withoutBlock(lines: readonly string[]): string[] {
  const begin = lines.indexOf(BEGIN);
  const end = lines.indexOf(END, begin);
  return begin < 0 || end < 0 ? [...lines] : lines.toSpliced(begin, end - begin + 1);
}

/** Puts lines of this export, marked, before or behind those that there are. */
export function withBlock(
  lines: readonly string[],
  block: readonly string[],
  place: "top" | "bottom",
): string[] {
  const marked = [BEGIN, ...block, END];
  if (place === "top") return [...marked, ...lines];
  const kept = [...lines];
  while (kept.at(-1) === "") kept.pop();
  return [...kept, ...marked, ""];
}
