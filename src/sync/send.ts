import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { formatLsn } from "../lsn.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { sameHead } from "../timeline/head.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import type { Outcome, SessionProgress, Source } from "./party.js";
import { SendWindow } from "./send-window.js";
import { Session, unexpected } from "./session.js";

/** What {@link send} takes. */
export interface SendOptions {
  readonly stream: CopyBoth;
  readonly source: Source;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SessionProgress) => void;
}

/**
 * Runs the sender's part of a sync session, at whichever end, up to CopyDone both ways.
 *
 * A refusal by the receiver is no error but an outcome with its decision. Throws what the receiver reports, 08P01 for
 * a receiver that breaks the protocol, 57014 when `signal` aborts; the other end has then been told and has moved nothing.
 */
export async function send(options: SendOptions): Promise<Outcome> {
  const { stream, source } = options;
  const session = new Session(stream, options.signal);
  try {
    await session.sendHello();
    await session.send({ case: "offer", value: await makeOffer(source) });
    const hello = await session.receiveHello();
    const answer = await session.expect("answer");
    const theirs = answer.head && fromHeadMessage(answer.head);
    if (answer.decision !== Decision.CREATE) {
      await session.end();
      return { decision: answer.decision, head: theirs, frames: 0, bytes: 0 };
    }
    const window = new SendWindow(Number(hello.windowBytes), source.bytes, options.onProgress);
    const sent = await transfer(session, options, window);
    await session.end();
    return { decision: answer.decision, head: source.head, ...sent };
  } catch (thrown) {
    const error = NeonError.from(thrown);
    await stream.fail(error);
    throw error;
  }
}

async function makeOffer(source: Source) {
  const locator = await source.locator();
  return {
    start: source.start,
    head: toHeadMessage(source.head),
    locator: locator.map(({ seq, digest }) => ({ seq: BigInt(seq), digest })),
    frames: BigInt(source.frames),
    bytes: BigInt(source.bytes),
  };
}

/** Frames out, acknowledgements in, at the same time, until the receiver has committed. */
async function transfer(
  session: Session,
  { stream, source }: SendOptions,
  window: SendWindow,
): Promise<{ frames: number; bytes: number }> {
  const sent = { frames: 0, bytes: 0 };
  const pump = async () => {
    for await (const run of readAhead(source.runs(0))) {
      if (!(await window.room())) return;
      window.sent(run.lastSeq, run.messages.length);
      await stream.writeMessages(run.messages);
      sent.frames += run.lastSeq - run.firstSeq + 1;
      sent.bytes += run.messages.length;
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
        if (sameHead(head, source.head)) return;
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
    await Promise.all([listening, pumping]);
  } finally {
    window.close();
  }
  return sent;
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
