const UNITS: Record<string, number> = {
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/**
 * Bytes that a setting with a unit of memory stands for (manual: Parameter Names and Values); `unit` is what a plain
 * number counts. A negative number stands for "as Postgres likes" and gives 0. What is no size gives infinity: nothing
 * has room for it.
 */
export function parseSize(text: string, unit: number): number {
  const match = /^\s*([-+]?(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+))\s*([A-Za-z]*)\s*$/.exec(
    text,
  );
  if (match === null) return Number.POSITIVE_INFINITY;
  const [, number, suffix] = match;
  const multiplier = suffix === "" ? unit : UNITS[suffix];
  return multiplier === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(number) * multiplier);
}
