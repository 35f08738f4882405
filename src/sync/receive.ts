import type { Answer, Finish, Offer, Plan } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { type Head, sameHead } from "../timeline/head.js";
import { FrameIntake } from "./frame-intake.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import { endedByAnswer, endedByTransfer, type Outcome, type SessionProgress } from "./outcome.js";
import type { Ask, Sink } from "./party.js";
import { fromSendersPositions } from "./position-message.js";
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
    assertPlan(plan, offer, answer);
    const startLsn = answer.have?.lsn ?? offer.start?.walStartLsn ?? 0n;
    if (plan.dryRun) {
      await session.end();
      await sink.abort();
      const [frames, bytes] = [Number(plan.frames), Number(plan.bytes)];
      const recoveryBranch = answer.recoveryBranch || undefined;
      return endedByTransfer(answer, offered, { dryRun: true, frames, bytes, startLsn, recoveryBranch });
    }
    const came = await takeFrames(session, options, offered, plan);
    const recoveryBranch = await sink.commit(offered);
    await session.send({ case: "committed", value: { head: toHeadMessage(offered), recoveryBranch } });
    await session.end();
    return endedByTransfer(answer, offered, { dryRun: false, ...came, startLsn, recoveryBranch });
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
    const located = fromSendersPositions(positions, offered);
    if (located.length === seqs.length && located.every(({ seq }, i) => seq === seqs[i])) return located;
    throw new NeonError("protocol_violation", "the sender named other frames than it was asked for", {
      party: "protocol",
    });
  };
}

/** Throws 08P01 for a plan that is not for the frames behind those that the receiver has, or for more than was offered. */
function assertPlan(plan: Plan, { head, bytes }: Offer, { have, dryRun }: Answer): void {
  const missing = (head?.seq ?? 0n) - (have?.seq ?? -1n);
  if (plan.frames !== missing) throw misplanned(`${plan.frames} frames where ${missing} are missing`);
  if (plan.bytes > bytes) throw misplanned(`${plan.bytes} bytes of the ${bytes} that were offered`);
  if (dryRun && !plan.dryRun) throw misplanned("frames that were only to be announced");
}

function misplanned(what: string): NeonError {
  return new NeonError("protocol_violation", `the sender plans ${what}`, { party: "protocol" });
}

/**
 * Takes the planned frames, and not a frame or byte more, until the sender's Finish, which has to be at the head that it
 * offered. Resolves with what came.
 */
async function takeFrames(session: Session, options: ReceiveOptions, offered: Head, plan: Plan) {
  const { sink, signal, bytesPerSecond, onProgress } = options;
  const throttle = new Throttle(bytesPerSecond, signal);
  const intake = new FrameIntake(sink, (error) => session.interrupt(error));
  let [frames, bytes] = [0, 0];
  try {
    for (;;) {
      const message = await session.next();
      if (message?.case === "finish") {
        assertFinish(message.value, offered);
        return { frames, bytes };
      }
      if (message?.case !== "frame") throw unexpected(message, "a frame");
      const { length } = message.message;
      frames++;
      bytes += length;
      if (frames > plan.frames || bytes > plan.bytes) {
        const planned = `${plan.frames} frames of ${plan.bytes} bytes together`;
        throw new NeonError(
          "protocol_violation",
          `the sender sent more than ${planned}, which it had planned`,
          {
            party: "protocol",
          },
        );
      }
      await intake.take(message.message, message.release);
      onProgress?.({ bytes, totalBytes: Number(plan.bytes) });
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
