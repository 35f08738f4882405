/** Names that are longer than this, in characters, are compared with nothing: the work grows with the square. */
const MAX_LENGTH = 64;
/** Candidates that are looked at. */
const MAX_CANDIDATES = 1000;

/**
 * The candidate that `name` may be a slip of the pen for: with about a third of its letters wrong at most, or begun and not
 * ended. Undefined if none is so near.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  let best: { readonly candidate: string; readonly edits: number } | undefined;
  let left = MAX_CANDIDATES;
  for (const candidate of candidates) {
    if (left-- === 0) break;
    const most = Math.floor((candidate.length + 1) / 3);
    if (candidate.length > MAX_LENGTH) continue;
    const begun = name.length >= 3 && candidate.startsWith(name);
    const edits = begun ? 0.5 : editDistance(name, candidate, most);
    if (edits <= most && (best === undefined || edits < best.edits)) best = { candidate, edits };
  }
  return best?.candidate;
}

/** How many letters have to be inserted, removed, replaced or exchanged with the next one; above `most` it may be any number above. */
function editDistance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let edits = Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, (beforeLast[j - 2] as number) + 1);
      row.push(edits);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] as number;
}
