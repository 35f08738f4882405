import type { Answer, Locate } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { formatLsn } from "../lsn.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { sameHead } from "../timeline/head.js";
import { locatorSeqs } from "./branch-source.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import {
  divergenceOf,
  endedByAnswer,
  type Outcome,
  repairedFrames,
  type SessionProgress,
} from "./outcome.js";
import type { Source } from "./party.js";
import { fromPositionMessages, toPositionMessage } from "./position-message.js";
import { SendWindow } from "./send-window.js";
import { Session, unexpected } from "./session.js";
import { Throttle } from "./throttle.js";

/** What {@link send} takes. */
export interface SendOptions {
  readonly stream: CopyBoth;
  readonly source: Source;
  readonly signal?: AbortSignal | undefined;
  /** Announce the frames, but send none. */
  readonly dryRun?: boolean | undefined;
  /** Send at most this many bytes a second. */
  readonly bytesPerSecond?: number | undefined;
  /** Milliseconds for which the other end may be silent; SESSION_SILENCE_MS unless given. */
  readonly silenceMs?: number | undefined;
  readonly onProgress?: (progress: SessionProgress) => void;
}

/**
 * Runs the sender's part of a sync session, at whichever end, up to CopyDone both ways, and releases the source.
 *
 * A refusal by the receiver is no error but an outcome that is not accepted. Throws what the receiver reports, 08P01 for
 * a receiver that breaks the protocol, 57014 when `signal` aborts; the other end has then been told and has moved nothing.
 */
export async function send(options: SendOptions): Promise<Outcome> {
  const { stream, source } = options;
  const session = new Session(stream, options);
  try {
    await session.sendHello();
    await session.send({ case: "offer", value: await makeOffer(source) });
    const hello = await session.receiveHello();
    const answer = await answerAfterLocating(session, source);
    if (!answer.accepted) {
      await session.end();
      return endedByAnswer(answer, source.head);
    }
    const plan = await makePlan(answer, options);
    await session.send({ case: "plan", value: plan });
    let recoveryBranch = answer.recoveryBranch || undefined;
    if (!plan.dryRun) {
      const window = new SendWindow(Number(hello.windowBytes), Number(plan.bytes), options.onProgress);
      recoveryBranch = await transfer(session, options, firstSeqAfter(answer), window);
    }
    await session.end();
    return {
      decision: answer.decision,
      accepted: true,
      dryRun: plan.dryRun,
      head: plan.dryRun ? answer.head && fromHeadMessage(answer.head) : source.head,
      frames: Number(plan.frames),
      bytes: Number(plan.bytes),
      startLsn: plan.startLsn,
      recoveryBranch,
      repairedFrames: repairedFrames(answer),
      divergence: divergenceOf(answer, source.head),
    };
  } catch (thrown) {
    const error = NeonError.from(thrown);
    await stream.fail(error);
    throw error;
  } finally {
    session.close();
    source.release();
  }
}

async function makeOffer(source: Source) {
  const locator = await source.positions(locatorSeqs(source.head.seq));
  return {
    start: source.start,
    head: toHeadMessage(source.head),
    locator: locator.map(toPositionMessage),
    frames: BigInt(source.frames),
    bytes: BigInt(source.bytes),
  };
}

async function answerAfterLocating(session: Session, source: Source): Promise<Answer> {
  for (;;) {
    const message = await session.next();
    if (message?.case === "answer") return message.value;
    if (message?.case !== "locate") throw unexpected(message, "an answer");
    const positions = await source.positions(askedSeqs(message.value, source));
    await session.send({ case: "located", value: { positions: positions.map(toPositionMessage) } });
  }
}

function askedSeqs({ seqs }: Locate, source: Source): number[] {
  if (seqs.length > 64 || seqs.some((seq) => seq > BigInt(source.head.seq))) {
    throw new NeonError("protocol_violation", "the receiver asked for frames that were not offered", {
      party: "protocol",
    });
  }
  return seqs.map(Number);
}

function firstSeqAfter({ have }: Answer): number {
  return have === undefined ? 0 : Number(have.seq) + 1;
}

async function makePlan(answer: Answer, { source, dryRun }: SendOptions) {
  const firstSeq = firstSeqAfter(answer);
  const { have } = answer;
  const [known] = have === undefined ? [] : fromPositionMessages([have], source.head.seq);
  const [ours] = known === undefined ? [] : await source.positions([known.seq]);
  if (known !== undefined && !ours?.digest.equals(known.digest)) {
    throw new NeonError("protocol_violation", "the receiver claims to have a frame of another history", {
      party: "protocol",
    });
  }
  return {
    frames: BigInt(source.frames - firstSeq),
    bytes: BigInt(await source.bytesFrom(firstSeq)),
    startLsn: ours?.lsn ?? source.start.walStartLsn,
    endLsn: source.head.lsn,
    dryRun: dryRun === true || answer.dryRun,
  };
}

/** Frames out, acknowledgements in, at the same time, until the receiver has committed. */
async function transfer(
  session: Session,
  { stream, source, signal, bytesPerSecond }: SendOptions,
  firstSeq: number,
  window: SendWindow,
): Promise<string | undefined> {
  const throttle = new Throttle(bytesPerSecond, signal);
  const pump = async () => {
    for await (const run of readAhead(source.runs(firstSeq))) {
      await throttle.take(run.messages.length);
      if (!(await window.room())) return;
      window.sent(run.lastSeq, run.messages.length);
      await stream.writeMessages(run.messages);
      run.release();
    }
    await session.send({ case: "finish", value: { head: toHeadMessage(source.head) } });
  };
  const listen = async () => {
    for (;;) {
      const message = await session.next();
      if (message?.case === "acknowledgement") {
        window.acknowledged(message.value.seq);
      } else if (message?.case === "committed") {
        const head = fromHeadMessage(message.value.head);
        if (sameHead(head, source.head)) return message.value.recoveryBranch || undefined;
        throw new NeonError(
          "protocol_violation",
          `the receiver committed another head: ${formatLsn(head.lsn)}`,
          {
            party: "protocol",
          },
        );
      } else {
        throw unexpected(message, "an acknowledgement");
      }
    }
  };
  const listening = listen();
  // What the receiver says of its failure explains a write that failed, so it is asked first.
  const pumping = pump().catch(async (error) => {
    await Promise.race([listening, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    throw error;
  });
  listening.catch(() => window.close());
  try {
    const [recoveryBranch] = await Promise.all([listening, pumping]);
    return recoveryBranch;
  } finally {
    window.close();
  }
}

/** Reads the next run while the consumer is busy with this one. */
async function* readAhead<T>(items: AsyncIterable<T>): AsyncIterable<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = iterator.next();
      next.catch(() => undefined); // thrown by the await above
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
