import type { Answer, Finish, Plan } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { type Head, sameHead } from "../timeline/head.js";
import { FrameIntake } from "./frame-intake.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import {
  divergenceOf,
  endedByAnswer,
  type Outcome,
  repairedFrames,
  type SessionProgress,
} from "./outcome.js";
import type { Ask, Sink } from "./party.js";
import { fromPositionMessages } from "./position-message.js";
import { Session, unexpected } from "./session.js";
import { Throttle } from "./throttle.js";

/** What {@link receive} takes. */
export interface ReceiveOptions {
  readonly stream: CopyBoth;
  readonly sink: Sink;
  readonly signal?: AbortSignal | undefined;
  /** Take at most this many bytes a second. */
  readonly bytesPerSecond?: number | undefined;
  /** Milliseconds for which the other end may be silent; SESSION_SILENCE_MS unless given. */
  readonly silenceMs?: number | undefined;
  readonly onProgress?: (progress: SessionProgress) => void;
}

/**
 * Runs the receiver's part of a sync session, at whichever end, up to CopyDone both ways.
 *
 * A refusal is no error but an outcome that is not accepted: nothing has moved. Throws XX001 for a damaged frame or
 * chain, 08P01 for a sender that breaks the protocol, 40001 for a branch that moved meanwhile, what the sender reports,
 * 57014 when `signal` aborts; the branch is then where it was and the other end has been told.
 */
export async function receive(options: ReceiveOptions): Promise<Outcome> {
  const { stream, sink } = options;
  const session = new Session(stream, options);
  try {
    await session.sendHello();
    await session.receiveHello();
    const offer = await session.expect("offer");
    const offered = fromHeadMessage(offer.head);
    const answer = await sink.answer(offer, askingOver(session, offered));
    if (!answer.accepted) {
      await session.send({ case: "answer", value: answer });
      await session.end();
      await sink.abort();
      return endedByAnswer(answer, offered);
    }
    // A write that fails here fails again at the next message; nothing is lost by not looking.
    await sink.begin((seq) => {
      session.send({ case: "acknowledgement", value: { seq } }).catch(() => undefined);
    });
    await session.send({ case: "answer", value: answer });
    const plan = await session.expect("plan");
    if (plan.dryRun) {
      await session.end();
      await sink.abort();
      return outcome(answer, plan, offered, answer.recoveryBranch || undefined);
    }
    await takeFrames(session, options, offered, Number(plan.bytes));
    const recoveryBranch = await sink.commit(offered);
    await session.send({ case: "committed", value: { head: toHeadMessage(offered), recoveryBranch } });
    await session.end();
    return outcome(answer, plan, offered, recoveryBranch);
  } catch (thrown) {
    const error = NeonError.from(thrown);
    await stream.fail(error);
    // A failure to tidy up would hide the reason; the store puts in order what stays when it is opened.
    await sink.abort().catch(() => undefined);
    throw error;
  } finally {
    session.close();
  }
}

function askingOver(session: Session, offered: Head): Ask {
  return async (seqs) => {
    await session.send({ case: "locate", value: { seqs: seqs.map(BigInt) } });
    const { positions } = await session.expect("located");
    const located = fromPositionMessages(positions, offered.seq);
    if (located.length === seqs.length && located.every(({ seq }, i) => seq === seqs[i])) return located;
    throw new NeonError("protocol_violation", "the sender named other frames than it was asked for", {
      party: "protocol",
    });
  };
}

/** Takes frames until the sender's Finish, which has to be at the head that it offered. */
async function takeFrames(session: Session, options: ReceiveOptions, offered: Head, totalBytes: number) {
  const { sink, signal, bytesPerSecond, onProgress } = options;
  const throttle = new Throttle(bytesPerSecond, signal);
  const intake = new FrameIntake(sink, (error) => session.interrupt(error));
  try {
    for (let bytes = 0; ; onProgress?.({ bytes, totalBytes })) {
      const message = await session.next();
      if (message?.case === "finish") return assertFinish(message.value, offered);
      if (message?.case !== "frame") throw unexpected(message, "a frame");
      const length = await intake.take(message.message, message.release);
      bytes += length;
      await throttle.take(length);
    }
  } finally {
    await intake.settle();
  }
}

function assertFinish({ head }: Finish, offered: Head): void {
  if (sameHead(fromHeadMessage(head), offered)) return;
  throw new NeonError("protocol_violation", "the sender finished at another head than it had offered", {
    party: "protocol",
  });
}

function outcome(answer: Answer, plan: Plan, offered: Head, recoveryBranch: string | undefined): Outcome {
  const before = answer.head && fromHeadMessage(answer.head);
  return {
    decision: answer.decision,
    accepted: true,
    dryRun: plan.dryRun,
    head: plan.dryRun ? before : offered,
    frames: Number(plan.frames),
    bytes: Number(plan.bytes),
    startLsn: plan.startLsn,
    recoveryBranch,
    repairedFrames: repairedFrames(answer),
    divergence: divergenceOf(answer, offered),
  };
}
