import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { Base } from "../timeline/base.js";
import type { ChainPoint } from "../timeline/chain.js";
import type { FrameAppender } from "../timeline/frame-appender.js";
import { sameHead } from "../timeline/head.js";
import type { Branch, Store } from "../timeline/store.js";
import { ChainProof } from "./chain-proof.js";
import { compareOffer } from "./compare-offer.js";
import { assertExpected, assertExpectedForm } from "./expected-head.js";
import type { Sink } from "./party.js";
import { readOffer } from "./read-offer.js";

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
  readonly proof: ChainProof;
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
    answer: async (message, ask) => {
      const branch = store.getBranch(name);
      assertExpected(name, branch, options.expected);
      const offer = readOffer(message);
      const { answer, have, unpin: release } = await compareOffer(store, branch, offer, ask);
      unpin = release;
      const force = options.force === true || options.expected !== undefined;
      const forced = force && !FREE.includes(answer.decision);
      // Up to date names a common frame only where that one, or one before it, is damaged here.
      const lacks = answer.decision !== Decision.UP_TO_DATE || answer.common !== undefined;
      answer.accepted = forced || (FREE.includes(answer.decision) && lacks);
      answer.dryRun = options.dryRun === true;
      if (forced && branch !== undefined) answer.recoveryBranch = store.recoveryName(name, branch.head);
      // What is forced away is kept under another name; nothing else may be lost.
      const proof = new ChainProof(offer.start, forced ? undefined : branch?.head);
      plan = { branch, forced, have, proof };
      return answer;
    },
    begin: async (onDurable) => {
      const { have, proof } = plan as Plan;
      if (have !== undefined) {
        base = await store.baseAt(have);
        await proof.held(base, store.readerAt(have));
      }
      appender = store.appendFrames(base);
      appender.onDurable = onDurable;
    },
    append: async (frame, release) => {
      plan?.proof.frame(frame);
      await appender?.append(frame, release);
    },
    commit: async (head) => {
      const { branch, forced, proof } = plan as Plan;
      const frames = appender !== undefined && appender.frames > 0 ? appender : base;
      if (frames === undefined || appender?.last === undefined) throw noFrames();
      proof.head(head, appender.last);
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

function noFrames(): NeonError {
  return new NeonError("protocol_violation", "the sender finished before it had sent a frame", {
    party: "source",
  });
}
