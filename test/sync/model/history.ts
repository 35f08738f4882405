import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";

/** Where every chain of the tests begins. */
export const BEGIN = 0x1000000n;
/** Bytes of WAL that a unit stands for. */
export const UNIT_BYTES = 4;

/**
 * What a branch is in the model: its content, as a list of units, and beside it what the frames are called and where
 * they end, which takes no part in any decision. A unit is a number that no other append has written: 4 bytes of WAL, or
 * nothing at all if it is negative (the start of an import, a frame without WAL).
 */
export interface History {
  /** System identifier of the cluster. */
  readonly cluster: bigint;
  readonly units: readonly number[];
  /** For each frame its digest in hex and the units up to its end, as far as it counts. */
  readonly frames: readonly { readonly digest: string; readonly end: number }[];
}

/** The LSN behind the first `count` units. */
export function lsnAt({ units }: History, count: number): bigint {
  return BEGIN + BigInt(units.slice(0, count).filter((unit) => unit >= 0).length * UNIT_BYTES);
}

/** The LSN of a history's end. */
export function endLsn(history: History): bigint {
  return lsnAt(history, history.units.length);
}

/** The WAL of a history. */
export function walOf({ units }: History): Buffer {
  const wal = units.filter((unit) => unit >= 0);
  const bytes = Buffer.alloc(wal.length * UNIT_BYTES);
  for (const [i, unit] of wal.entries()) bytes.writeUInt32LE(unit, i * UNIT_BYTES);
  return bytes;
}

/** The first `count` units of a history, at least one. */
export function forkOf(history: History, count: number): History {
  const last = history.frames.findIndex(({ end }) => end >= count);
  const frames = history.frames
    .slice(0, last + 1)
    .map(({ digest, end }) => ({ digest, end: Math.min(end, count) }));
  return { ...history, units: history.units.slice(0, count), frames };
}

/** What a receiver has to decide, seen from the content alone, and where the histories part. */
export function compareHistories(
  source: History,
  destination: History | undefined,
): { decision: Decision; commonLsn: bigint | undefined } {
  if (destination === undefined) return { decision: Decision.CREATE, commonLsn: undefined };
  const { units } = destination;
  let common = 0;
  while (common < units.length && units[common] === source.units[common]) common++;
  if (common === 0) {
    const decision = source.cluster === destination.cluster ? Decision.SEPARATE_IMPORT : Decision.UNRELATED;
    return { decision, commonLsn: undefined };
  }
  const commonLsn = lsnAt(source, common);
  const ends = [common === source.units.length, common === units.length].join();
  const decision = {
    "true,true": Decision.UP_TO_DATE,
    "false,true": Decision.FAST_FORWARD,
    "true,false": Decision.BEHIND,
    "false,false": Decision.DIVERGED,
  }[ends] as Decision;
  return { decision, commonLsn };
}

/** Frames of `source` behind the last one that is among `digests`. */
export function framesMissing(source: History, digests: ReadonlySet<string>): number {
  return source.frames.length - 1 - source.frames.findLastIndex(({ digest }) => digests.has(digest));
}
