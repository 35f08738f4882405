import { NeonError } from "../../errors.js";
import type { Lsn } from "../../lsn.js";
import { pointOf } from "../../timeline/branch.js";
import type { ChainReader } from "../../timeline/chain-reader.js";
import type { DecodedFrame } from "../../timeline/frame/decode-records.js";
import type { Predecessor } from "../../timeline/frame/successor.js";
import type { Branch, Store } from "../../timeline/store.js";
import { BadBaseError, BranchChecks, damaged } from "./branch-checks.js";
import { findForkPoint } from "./find-fork-point.js";
import { groupBySegment, lastShared } from "./shared-frames.js";

/** What {@link verifyBranches} is told. */
export interface VerifyOptions {
  readonly store: Store;
  readonly branches: readonly Branch[];
  readonly signal?: AbortSignal;
  /** Bytes of frames as they are checked. */
  onProgress?(progress: { phase: string; bytes: number; totalBytes: number }): void;
}

/** What verification found. */
export interface Verification {
  readonly branch: Branch;
  /** Frames that were found good. */
  readonly frames: number;
  /** Bytes of these frames at rest. */
  readonly bytes: number;
  /** Pages whose checksum was checked. */
  readonly pages: number;
  /** The first damage, if there is any. */
  readonly damage: Damage | undefined;
}

/** What is wrong with a branch. */
export interface Damage {
  /** Number of the first bad frame. */
  readonly seq: number;
  readonly text: string;
  /** The last LSN before the damage that a branch can be created at; undefined if nothing can be saved. */
  readonly savedLsn: Lsn | undefined;
}

/**
 * Checks that a stock Postgres can recover branches, by all that can be told without one: the digest of every frame and
 * its place in the chain, every record as export does, the CRC of every WAL record, that no WAL is missing and that
 * recovery does not stop in it, and the base backup's pages. A frame that branches share is read once. Whatever is wrong
 * with a branch, or goes wrong while it is checked, is its result and not an error. Gives the results in the order of the
 * branches. Throws the signal's reason if it aborts.
 */
export async function* verifyBranches(options: VerifyOptions): AsyncGenerator<Verification> {
  const { store, branches } = options;
  const releases = branches.map((branch) => store.pin(pointOf(branch)));
  try {
    const found = new Map<Branch, Verification>();
    const walks = firstWalks(options, found);
    let given = 0;
    function* inOrder() {
      for (let next = found.get(branches[given]); next !== undefined; next = found.get(branches[given])) {
        yield next;
        given++;
      }
    }
    yield* inOrder();
    for (let walk = walks.shift(); walk !== undefined; walk = walks.shift()) {
      for await (const verification of walk.run()) {
        found.set(verification.branch, verification);
        yield* inOrder();
      }
      walks.unshift(...walk.next);
    }
  } finally {
    for (const release of releases) release();
  }
}

/** A walk for the branches that begin with the same frames. Those of which nothing can be read are `found` at once. */
function firstWalks(options: VerifyOptions, found: Map<Branch, Verification>): Walk[] {
  const members: Member[] = [];
  for (const branch of options.branches) {
    try {
      members.push({ branch, reader: options.store.reader(branch) });
    } catch (thrown) {
      found.set(branch, unreadable(branch, thrown));
    }
  }
  return groupBySegment(members, 0).flatMap((group) => {
    try {
      return new Walk(options, group, new BranchChecks(group[0].branch.start, group[0].reader));
    } catch (thrown) {
      for (const { branch } of group) found.set(branch, unreadable(branch, thrown));
      return [];
    }
  });
}

/** The result for a branch of which nothing can be used. */
function unreadable(branch: Branch, thrown: unknown): Verification {
  const { message: text } = NeonError.from(thrown);
  return { branch, frames: 0, bytes: 0, pages: 0, damage: { seq: 0, text, savedLsn: undefined } };
}

interface Member {
  readonly branch: Branch;
  readonly reader: ChainReader;
}

/** Branches that share frames, of which those before are checked. */
class Walk {
  /** Where to go on when this has run: the branches that go on behind what they share. */
  readonly next: Walk[] = [];
  readonly #options: VerifyOptions;
  readonly #members: readonly Member[];
  readonly #checks: BranchChecks;
  readonly #reader: ChainReader;
  readonly #last: number;
  readonly #before: Predecessor | undefined;

  constructor(
    options: VerifyOptions,
    members: readonly Member[],
    checks: BranchChecks,
    before?: Predecessor,
  ) {
    this.#options = options;
    this.#members = members;
    this.#checks = checks;
    this.#before = before;
    this.#reader = members[0].reader;
    this.#last = lastShared(members.map(({ reader }) => reader));
  }

  /** Checks the frames that all branches share. Gives the results of those that end there. */
  async *run(): AsyncGenerator<Verification> {
    const { signal } = this.#options;
    let seq = this.#before === undefined ? 0 : Number(this.#before.header.seq) + 1;
    let shared: DecodedFrame | undefined;
    try {
      for await (const frame of this.#reader.upTo(this.#last).decodedFrames(seq, this.#before)) {
        signal?.throwIfAborted();
        // A header that was changed is noticed by the next frame only, which names the digest that it should have.
        if (!frame.digest.equals(await this.#reader.digest(seq)))
          throw damaged("its header is not as it was written");
        if (seq === this.#last) shared = frame;
        else await this.#checks.take(seq, frame.records);
        seq++;
        await this.#report(seq);
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      yield* this.#damage(this.#members, seq, thrown);
      return;
    }
    yield* this.#part(shared as DecodedFrame);
  }

  /** Takes the last frame that all share: how much of it counts is what tells them apart. */
  async *#part(frame: DecodedFrame): AsyncGenerator<Verification> {
    const ended = this.#members.filter(({ reader }) => reader.lastSeq === this.#last);
    const others = this.#members.filter(({ reader }) => reader.lastSeq > this.#last);
    const groups = [...ended.map((member) => [member]), ...groupBySegment(others, this.#last + 1)];
    const ends = await Promise.all(groups.map(([{ reader }]) => this.#endIn(frame, reader)));
    const order = [...groups.keys()].sort((a, b) => compare(ends[a], ends[b]));
    let failure: unknown;
    for (const [i, index] of order.entries()) {
      const [group, end] = [groups[index], ends[index]];
      try {
        if (i === 0) await this.#checks.take(this.#last, frame.records, end);
        else if (failure === undefined) this.#checks.takeMore(frame.records, end);
      } catch (thrown) {
        failure = thrown; // of those that count more of the frame too
      }
      if (failure !== undefined) {
        yield* this.#damage(group, this.#last, failure);
        continue;
      }
      try {
        if (group[0].reader.lastSeq === this.#last) yield await this.#finish(group[0], frame);
        else this.#goOn(group, i === order.length - 1 ? this.#checks : this.#checks.fork(), frame);
      } catch (thrown) {
        yield* this.#damage(group, this.#last + 1, thrown);
      }
    }
  }

  #goOn(group: readonly Member[], checks: BranchChecks, { header, digest }: DecodedFrame): void {
    this.next.push(new Walk(this.#options, group, checks, { header, digest }));
  }

  /** Up to where a frame counts for a chain, if that is not all of it. */
  async #endIn({ header }: DecodedFrame, reader: ChainReader): Promise<Lsn | undefined> {
    // Where the next frame's header is damaged, so is that frame: it shows when it is read.
    const lsn = await reader.checkedLsn(this.#last).catch(() => undefined);
    return lsn === undefined || lsn >= header.endLsn ? undefined : lsn;
  }

  async #finish({ branch, reader }: Member, { digest }: DecodedFrame): Promise<Verification> {
    if (!digest.equals(branch.head.digest)) throw damaged("the chain does not end at the branch's head");
    this.#checks.finish(branch.head.lsn);
    const bytes = await reader.bytes(0, this.#last);
    return { branch, frames: this.#last + 1, bytes, pages: this.#checks.pages, damage: undefined };
  }

  async *#damage(members: readonly Member[], good: number, thrown: unknown): AsyncGenerator<Verification> {
    for (const { branch, reader } of members) {
      const { pages, endLsn } = this.#checks;
      const bytes = good === 0 ? 0 : await reader.bytes(0, good - 1).catch(() => 0);
      const seq = Math.min(good, reader.lastSeq);
      const damage = await describe(this.#options.store, branch, endLsn, seq, thrown);
      yield { branch, frames: good, bytes, pages, damage };
    }
  }

  async #report(frames: number): Promise<void> {
    const [{ branch }] = this.#members;
    const bytes = await this.#reader.bytes(0, frames - 1);
    this.#options.onProgress?.({ phase: `verify ${branch.name}`, bytes, totalBytes: branch.bytes });
  }
}

function compare(a: Lsn | undefined, b: Lsn | undefined): number {
  if (a === b) return 0;
  return b === undefined || (a !== undefined && a < b) ? -1 : 1;
}

async function describe(
  store: Store,
  branch: Branch,
  endLsn: Lsn,
  seq: number,
  thrown: unknown,
): Promise<Damage> {
  if (thrown instanceof BadBaseError) return { seq: thrown.seq, text: thrown.message, savedLsn: undefined };
  const { message: text } = NeonError.from(thrown);
  return { seq, text, savedLsn: await findSavedLsn(store, branch, seq, endLsn) };
}

/** Asks what creating the branch would ask, so that nothing is promised that cannot be kept. */
async function findSavedLsn(
  store: Store,
  branch: Branch,
  badSeq: number,
  lsn: Lsn,
): Promise<Lsn | undefined> {
  try {
    const head = await findForkPoint(store, branch, lsn);
    return head.seq <= badSeq ? head.lsn : undefined;
  } catch {
    return undefined;
  }
}
