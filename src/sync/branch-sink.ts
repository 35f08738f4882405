import { create } from "@bufbuild/protobuf";
import { type Answer, AnswerSchema, Decision, type Offer } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { Base } from "../timeline/base.js";
import type { ChainPoint } from "../timeline/chain.js";
import type { FrameAppender } from "../timeline/frame-appender.js";
import { type Head, sameHead } from "../timeline/head.js";
import type { Branch, Store } from "../timeline/store.js";
import { decide } from "./decide.js";
import { assertExpected, assertExpectedForm } from "./expected-head.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import { Candidate, locate } from "./locate.js";
import type { Ask, Position, Sink } from "./party.js";
import { fromPositionMessages, toPositionMessage } from "./position-message.js";

/** What the receiver's user allows. */
export interface SinkOptions {
  /** Move the branch whatever it points to, and keep that under a recovery name. */
  readonly force?: boolean | undefined;
  /** Force only if the branch stands here: an LSN, or a digest in hex or its first 8 digits or more. */
  readonly expected?: string | undefined;
  /** Decide, but want no frames. */
  readonly dryRun?: boolean | undefined;
}

/** What a sink knows once it has answered. */
interface Plan {
  readonly branch: Branch | undefined;
  readonly forced: boolean;
  /** The frames that the sender's follow. */
  readonly have: ChainPoint | undefined;
}

/**
 * The branch `name` of a store as a sink, whether or not it exists. Throws 42602 for what cannot be a branch's name, 22023
 * for what cannot be where it is expected.
 */
export function branchSink(store: Store, name: string, options: SinkOptions = {}): Sink {
  store.getBranch(name);
  assertExpectedForm(options.expected);
  let plan: Plan | undefined;
  let base: Base | undefined;
  let appender: FrameAppender | undefined;
  let unpin = () => {};
  return {
    answer: async (offer, ask) => {
      const branch = store.getBranch(name);
      assertExpected(name, branch, options.expected);
      const { answer, have, unpin: release } = await compare(store, branch, offer, ask);
      unpin = release;
      const force = options.force === true || options.expected !== undefined;
      const forced = force && !FREE.includes(answer.decision);
      // Up to date names a common frame only where that one, or one before it, is damaged here.
      const lacks = answer.decision !== Decision.UP_TO_DATE || answer.common !== undefined;
      answer.accepted = forced || (FREE.includes(answer.decision) && lacks);
      answer.dryRun = options.dryRun === true;
      if (forced && branch !== undefined) answer.recoveryBranch = store.recoveryName(name, branch.head);
      plan = { branch, forced, have };
      return answer;
    },
    begin: async (onDurable) => {
      if (plan?.have !== undefined) base = await store.baseAt(plan.have);
      appender = store.appendFrames(base);
      appender.onDurable = onDurable;
    },
    append: async (frame, release) => appender?.append(frame, release),
    commit: async (head) => {
      const frames = appender !== undefined && appender.frames > 0 ? appender : base;
      if (frames === undefined || appender?.last === undefined) throw unfinished();
      const { digest, header } = appender.last;
      if (!digest.equals(head.digest) || head.lsn > header.endLsn || head.lsn < header.startLsn)
        throw unfinished();
      const { branch, forced } = plan as Plan;
      let recovery: string | undefined;
      try {
        recovery = await store.move({ name, expected: branch?.head, head, frames, keepOld: forced });
        if (frames !== appender) await appender.abort();
      } catch (error) {
        // The session in whose place this one was started can have brought the branch there after all.
        const arrived = store.getBranch(name);
        if (arrived === undefined || !sameHead(arrived.head, head)) throw createdMeanwhile(name, error);
        await appender.suspend();
      }
      appender = undefined;
      unpin();
      return recovery;
    },
    abort: async () => {
      await appender?.suspend();
      appender = undefined;
      unpin();
    },
  };
}

/** Decisions that need nobody's force. */
const FREE: readonly Decision[] = [Decision.CREATE, Decision.FAST_FORWARD, Decision.UP_TO_DATE];

interface Comparison {
  readonly answer: Answer;
  readonly have: ChainPoint | undefined;
  /** Lets `have` be collected again. */
  unpin(): void;
}

async function compare(
  store: Store,
  branch: Branch | undefined,
  offer: Offer,
  ask: Ask,
): Promise<Comparison> {
  const source = fromHeadMessage(offer.head);
  const known = fromPositionMessages(offer.locator, source.seq);
  const head = branch && toHeadMessage(branch.head);
  const damaged = branch !== undefined && store.firstBadFrame(branch) !== undefined;
  if (branch !== undefined && !damaged && sameHead(branch.head, source)) {
    const answer = create(AnswerSchema, { decision: Decision.UP_TO_DATE, head });
    return { answer, have: undefined, unpin: () => {} };
  }
  const first = known.find(({ seq }) => seq === 0);
  const chains = first && (await store.endsOfChains(first.digest));
  try {
    const others = (chains?.points ?? []).map((point) => ({
      point,
      candidate: new Candidate(store.readerAt(point), source.seq),
    }));
    const named = branch && new Candidate(store.reader(branch), source.seq);
    const candidates = others.map(({ candidate }) => candidate);
    // Where frames are damaged, so can be what is known of them, but not the head.
    if (damaged && branch.head.seq <= source.seq) await named?.narrow(await ask([branch.head.seq]));
    await locate(named, candidates, known, ask);
    const best = others.reduce<(typeof others)[number] | undefined>(
      (most, each) => (commonSeq(each.candidate) > commonSeq(most?.candidate) ? each : most),
      undefined,
    );
    const common = best?.candidate.common;
    const answer = create(AnswerSchema, {
      decision: await decideFor(branch, named, offer, source),
      common: named?.common && toPositionMessage(await lesser(named, named.common)),
      have: common && toPositionMessage(common),
      head,
    });
    const have = best && common && { timelineId: best.point.timelineId, seq: common.seq, lsn: common.lsn };
    return { answer, have, unpin: have === undefined ? () => {} : store.pin(have) };
  } finally {
    chains?.release();
  }
}

function commonSeq(candidate: Candidate | undefined): number {
  return candidate?.common?.seq ?? -1;
}

async function decideFor(
  branch: Branch | undefined,
  named: Candidate | undefined,
  offer: Offer,
  source: Head,
): Promise<Decision> {
  if (branch === undefined || named === undefined) return Decision.CREATE;
  if (named.common !== undefined) {
    const destinationLsn = await named.reader.lsn(named.common.seq);
    return decide({ source, destination: branch.head, common: named.common, destinationLsn });
  }
  const sameCluster = offer.start?.systemIdentifier === branch.start.systemIdentifier;
  return sameCluster ? Decision.SEPARATE_IMPORT : Decision.UNRELATED;
}

/** The last common frame with the LSN at which the two histories part. */
async function lesser({ reader }: Candidate, common: Position): Promise<Position> {
  const here = await reader.lsn(common.seq);
  if (here >= common.lsn) return common;
  return { ...common, lsn: here };
}

/** Whoever loses a race for a name has chosen no bad one: a retry may find that there is nothing left to do. */
function createdMeanwhile(name: string, thrown: unknown): NeonError {
  const error = NeonError.from(thrown);
  if (error.code !== "duplicate_object") return error;
  return new NeonError("serialization_failure", `branch "${name}" was created meanwhile, by somebody else`, {
    party: "sink",
    retryable: true,
    hint: "Try again: what was sent is not sent again.",
    cause: error,
  });
}

function unfinished(): NeonError {
  return new NeonError("protocol_violation", "the frames do not end at the head that was offered", {
    party: "source",
  });
}
