import { type Answer, Decision, type Hello, type Locate } from "../../gen/neon/pageserver/v1/session_pb.js";
import { cleanText } from "../clean-text.js";
import { NeonError } from "../errors.js";
import { MAX_LOCATE_POSITIONS } from "../limits.js";
import { formatLsn } from "../lsn.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { type Head, sameHead } from "../timeline/head.js";
import { locatorSeqs } from "./branch-source.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import { endedByAnswer, endedByTransfer, type Outcome, type SessionProgress } from "./outcome.js";
import type { Source } from "./party.js";
import { PeerLimits } from "./peer-limits.js";
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
    session.maxMessageBytes = hello.maxMessageBytes;
    const answer = await answerAfterLocating(session, source);
    if (!answer.accepted) {
      await session.end();
      return endedByAnswer(answer, source.head);
    }
    const plan = await makePlan(answer, options);
    await session.send({ case: "plan", value: plan });
    const recoveryBranch = plan.dryRun
      ? branchName(answer.recoveryBranch)
      : await transfer(session, options, hello, firstSeqAfter(answer), Number(plan.bytes));
    await session.end();
    const { dryRun, startLsn } = plan;
    const [frames, bytes] = [Number(plan.frames), Number(plan.bytes)];
    return endedByTransfer(answer, source.head, { dryRun, frames, bytes, startLsn, recoveryBranch });
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
    if (message?.case === "answer") {
      assertAnswer(message.value, source.head);
      return message.value;
    }
    if (message?.case !== "locate") throw unexpected(message, "an answer");
    const positions = await source.positions(askedSeqs(message.value, source));
    await session.send({ case: "located", value: { positions: positions.map(toPositionMessage) } });
  }
}

/** Throws 08P01 for an answer that no receiver can give. A decision of a later version can be refused only. */
function assertAnswer({ decision, common, have, head }: Answer, offered: Head): void {
  if (decision === Decision.UNSPECIFIED) {
    throw new NeonError("protocol_violation", "the receiver's answer holds no decision", {
      party: "protocol",
    });
  }
  fromPositionMessages(
    [common, have].filter((position) => position !== undefined),
    offered.seq,
  );
  if (head !== undefined) fromHeadMessage(head);
}

/** Another end's name of a branch, to be shown to people only. */
function branchName(text: string): string | undefined {
  return text === "" ? undefined : cleanText(text);
}

function askedSeqs({ seqs }: Locate, source: Source): number[] {
  if (seqs.length > MAX_LOCATE_POSITIONS || seqs.some((seq) => seq > BigInt(source.head.seq))) {
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

/** Frames out, acknowledgements in, at the same time, until the receiver has committed. Returns the recovery branch. */
async function transfer(
  session: Session,
  { stream, source, signal, bytesPerSecond, onProgress }: SendOptions,
  hello: Hello,
  firstSeq: number,
  totalBytes: number,
): Promise<string | undefined> {
  const throttle = new Throttle(bytesPerSecond, signal);
  const window = new SendWindow(Number(hello.windowBytes), firstSeq, totalBytes, onProgress);
  const limits = new PeerLimits(hello);
  let finished = false;
  const pump = async () => {
    for await (const { messages, release } of readAhead(source.runs(firstSeq))) {
      for (let offset = 0; offset < messages.length; ) {
        const piece = await nextPiece(messages.subarray(offset), window, limits);
        if (piece === undefined) return;
        await throttle.take(piece.length);
        await stream.writeMessages(piece);
        offset += piece.length;
      }
      release();
    }
    finished = true;
    await session.send({ case: "finish", value: { head: toHeadMessage(source.head) } });
  };
  const listen = async () => {
    for (;;) {
      const message = await session.next();
      if (message?.case === "acknowledgement") {
        window.acknowledged(message.value.seq);
      } else if (message?.case === "committed" && finished) {
        assertCommitted(fromHeadMessage(message.value.head), source.head);
        return branchName(message.value.recoveryBranch);
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

/**
 * As many whole frames from the beginning of `messages` as the receiver's window has room for now, or one as soon as there
 * is room for that; they count as sent. Undefined once the window is closed. Throws 54000 and 0A000 for a frame that the
 * receiver does not take.
 */
async function nextPiece(
  messages: Buffer,
  window: SendWindow,
  limits: PeerLimits,
): Promise<Buffer | undefined> {
  let end = 0;
  while (end < messages.length) {
    const length = 1 + messages.readInt32BE(end + 1);
    if (end === 0 && !(await window.room(length))) return undefined;
    if (end > 0 && !window.fits(length)) break;
    limits.assertFrame(messages.subarray(end, end + length));
    window.sent(length);
    end += length;
  }
  return messages.subarray(0, end);
}

function assertCommitted(head: Head, offered: Head): void {
  if (sameHead(head, offered)) return;
  throw new NeonError("protocol_violation", `the receiver committed another head: ${formatLsn(head.lsn)}`, {
    party: "protocol",
  });
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
