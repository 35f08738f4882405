import { join } from "node:path";
import { NeonError } from "../../../src/errors.js";
import { isDamage } from "../../../src/timeline/is-damage.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { flipByte } from "../../fault/support/flip-byte.js";
import { assertEqual, type Place } from "./world.js";

/** A frame of which a byte was changed on disk: there, and nowhere else where the same frame lies. */
export interface DamagedFrame {
  readonly segmentId: string;
  readonly seq: number;
}

/** Number of the first damaged frame of a branch, by where its frames lie. */
export function firstDamaged(place: Place, name: string): number | undefined {
  const bad = damagedFrames(place, name);
  return bad.length === 0 ? undefined : Math.min(...bad);
}

/** Whether one frame of a branch is damaged. */
export function isDamaged(place: Place, name: string, seq: number): boolean {
  return damagedFrames(place, name).includes(seq);
}

function damagedFrames({ files: { store }, damage }: Place, name: string): number[] {
  const { extents } = store.reader(store.requireBranch(name));
  return damage
    .filter(({ segmentId, seq }) =>
      extents.some(
        (extent) => extent.segmentId === segmentId && extent.firstSeq <= seq && seq <= extent.lastSeq,
      ),
    )
    .map(({ seq }) => seq);
}

/** Branches that no damage reaches. */
export function wholeBranches(place: Place): string[] {
  return [...place.branches.keys()].filter((name) => firstDamaged(place, name) === undefined);
}

/**
 * Branches that have nothing but what `name` has too, in the same place, its first damaged frame among them: what repairs
 * it has to repair them.
 */
export function repairedWith(place: Place, name: string): string[] {
  const bad = firstDamaged(place, name);
  if (bad === undefined) return [];
  const { store } = place.files;
  const { extents } = store.reader(store.requireBranch(name));
  const segmentOf = (seq: number, of: typeof extents) =>
    of.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq)?.segmentId;
  return [...place.branches.keys()].filter((other) => {
    const { head } = store.requireBranch(other);
    const own = store.reader(store.requireBranch(other)).extents;
    return (
      firstDamaged(place, other) === bad &&
      segmentOf(bad, own) === segmentOf(bad, extents) &&
      segmentOf(head.seq, own) === segmentOf(head.seq, extents)
    );
  });
}

/** Changes one byte of a frame of a branch on disk, and verifies all branches, as a user does. */
export async function damageFrame(place: Place, name: string, frame: number, at: number): Promise<void> {
  const { store, path } = place.files;
  await store.upkeep.settle();
  const branch = store.requireBranch(name);
  const seq = frame % branch.frames;
  const reader = store.reader(branch);
  const extent = reader.extents.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq);
  if (extent === undefined) throw new Error(`no frame ${seq}`);
  const { segmentId, firstSeq } = extent;
  // A byte that is changed twice is as it was.
  if (place.damage.some((damaged) => damaged.segmentId === segmentId && damaged.seq === seq)) return;
  const length = await reader.bytes(seq, seq);
  const offset = seq === firstSeq ? 0 : await reader.bytes(firstSeq, seq - 1);
  await flipByte(join(path, "segments", segmentId), offset + (at % length));
  place.damage.push({ segmentId, seq });
  place.acknowledged.clear();
  await verify(place);
}

/** What verify does, except that the model's WAL is none that it would look at. */
async function verify(place: Place): Promise<void> {
  const { store } = place.files;
  for (const branch of store.listBranches()) {
    const good = await countGood(store, branch);
    assertEqual(`good frames of ${branch.name}`, good, firstDamaged(place, branch.name) ?? branch.frames);
    await store.upkeep.recordDamage(branch, good);
    assertEqual(`footers of ${branch.name}`, await store.upkeep.rebuildFooters(branch), 0);
  }
}

async function countGood(store: Store, branch: Branch): Promise<number> {
  const reader = store.reader(branch);
  let good = 0;
  try {
    for await (const { digest } of reader.frames()) {
      // A header that was changed is noticed by the next frame only.
      if (!digest.equals(await reader.digest(good))) break;
      good++;
    }
  } catch (error) {
    assertDamage(error);
  }
  return good;
}

/** Throws unless reading a branch says that it is damaged. */
export async function assertUnreadable(store: Store, branch: Branch): Promise<void> {
  try {
    for await (const _ of store.readFrames(branch));
  } catch (error) {
    return assertDamage(error);
  }
  throw new Error(`${branch.name} is damaged and can be read`);
}

function assertDamage(error: unknown): void {
  // A changed kind or codec looks like one of a later version.
  if (!isDamage(error) && NeonError.from(error).code !== "feature_not_supported") throw error;
}
