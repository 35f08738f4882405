/** Seconds since a reading of performance.now(). */
export function secondsSince(begin: number): number {
  return Math.round(performance.now() - begin) / 1000;
}
