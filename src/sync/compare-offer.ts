import { create } from "@bufbuild/protobuf";
import { type Answer, AnswerSchema, Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { ChainPoint } from "../timeline/chain.js";
import { sameHead } from "../timeline/head.js";
import type { Branch, Store } from "../timeline/store.js";
import { decide } from "./decide.js";
import { toHeadMessage } from "./head-message.js";
import { Candidate, locate } from "./locate.js";
import type { Ask, Position } from "./party.js";
import { toPositionMessage } from "./position-message.js";
import type { ReadOffer } from "./read-offer.js";

/** What an offer is to a branch, and what of its frames is here. */
export interface Comparison {
  /** Without what the receiver's user allows. */
  readonly answer: Answer;
  /** The last of the sender's frames that is here. */
  readonly have: ChainPoint | undefined;
  /** Lets `have` be collected again. */
  unpin(): void;
}

/**
 * Compares an offer with a branch (undefined: it does not exist) and with all chains of the store. The decision rests on
 * what the sender says of its frames; ChainProof shows whether that was true. Throws 08P01 for what cannot be true.
 */
export async function compareOffer(
  store: Store,
  branch: Branch | undefined,
  offer: ReadOffer,
  ask: Ask,
): Promise<Comparison> {
  const source = offer.head;
  const head = branch && toHeadMessage(branch.head);
  if (branch?.head.digest.equals(source.digest) && branch.head.seq !== source.seq) {
    throw new NeonError(
      "protocol_violation",
      `the offered head is frame ${branch.head.seq}, and not ${source.seq}, of its chain`,
      { party: "source" },
    );
  }
  const damaged = branch !== undefined && store.firstBadFrame(branch) !== undefined;
  if (branch !== undefined && !damaged && sameHead(branch.head, source)) {
    const answer = create(AnswerSchema, { decision: Decision.UP_TO_DATE, head });
    return { answer, have: undefined, unpin: () => {} };
  }
  const chains = await store.endsOfChains((offer.locator.at(-1) as Position).digest);
  try {
    const others = chains.points.map((point) => ({
      point,
      candidate: new Candidate(store.readerAt(point), source.seq),
    }));
    const named = branch && new Candidate(store.reader(branch), source.seq);
    const candidates = others.map(({ candidate }) => candidate);
    // Where frames are damaged, so can be what is known of them, but not the head.
    if (damaged && branch.head.seq <= source.seq) await named?.narrow(await ask([branch.head.seq]));
    await locate(named, candidates, offer.locator, ask);
    const best = others.reduce<(typeof others)[number] | undefined>(
      (most, each) => (commonSeq(each.candidate) > commonSeq(most?.candidate) ? each : most),
      undefined,
    );
    const common = best?.candidate.common;
    const answer = create(AnswerSchema, {
      decision: await decideFor(branch, named, offer),
      common: named?.common && toPositionMessage(await lesser(named, named.common)),
      have: common && toPositionMessage(common),
      head,
    });
    const have = best && common && { timelineId: best.point.timelineId, seq: common.seq, lsn: common.lsn };
    return { answer, have, unpin: have === undefined ? () => {} : store.pin(have) };
  } finally {
    chains.release();
  }
}

function commonSeq(candidate: Candidate | undefined): number {
  return candidate?.common?.seq ?? -1;
}

async function decideFor(
  branch: Branch | undefined,
  named: Candidate | undefined,
  { head: source, start }: ReadOffer,
): Promise<Decision> {
  if (branch === undefined || named === undefined) return Decision.CREATE;
  if (named.common !== undefined) {
    const destinationLsn = await named.reader.lsn(named.common.seq);
    return decide({ source, destination: branch.head, common: named.common, destinationLsn });
  }
  const sameCluster = start.systemIdentifier === branch.start.systemIdentifier;
  return sameCluster ? Decision.SEPARATE_IMPORT : Decision.UNRELATED;
}

/** The last common frame with the LSN at which the two histories part. */
async function lesser({ reader }: Candidate, common: Position): Promise<Position> {
  const here = await reader.lsn(common.seq);
  if (here >= common.lsn) return common;
  return { ...common, lsn: here };
}
