import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { decodeFrame } from "../timeline/frame.js";
import { sameHead } from "../timeline/head.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import type { Outcome, SessionProgress, Sink } from "./party.js";
import { Session, unexpected } from "./session.js";

/** What {@link receive} takes. */
export interface ReceiveOptions {
  readonly stream: CopyBoth;
  readonly sink: Sink;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SessionProgress) => void;
}

/**
 * Runs the receiver's part of a sync session, at whichever end, up to CopyDone both ways.
 *
 * A decision other than create or up to date is no error but an outcome: nothing has moved. Throws XX001 for a damaged
 * frame or chain, 08P01 for a sender that breaks the protocol, what the sender reports, 57014 when `signal` aborts;
 * the sink has then forgotten everything and the other end has been told.
 */
export async function receive(options: ReceiveOptions): Promise<Outcome> {
  const { stream, sink, signal } = options;
  const session = new Session(stream, signal);
  try {
    await session.sendHello();
    await session.receiveHello();
    const offer = await session.expect("offer");
    const offered = fromHeadMessage(offer.head);
    const answer = await sink.answer(offer);
    if (answer.decision !== Decision.CREATE) {
      await session.send({ case: "answer", value: answer });
      await session.end();
      const head = answer.head && fromHeadMessage(answer.head);
      return { decision: answer.decision, head, frames: 0, bytes: 0 };
    }
    const acknowledge = (seq: bigint) => {
      // A write that fails here fails again at the next message; nothing is lost by not looking.
      session.send({ case: "acknowledgement", value: { seq } }).catch(() => undefined);
    };
    sink.begin(acknowledge);
    await session.send({ case: "answer", value: answer });
    const received = await takeFrames(session, options, Number(offer.bytes));
    signal?.throwIfAborted();
    if (!sameHead(received.head, offered)) {
      throw new NeonError("protocol_violation", "the sender finished at another head than it had offered", {
        party: "protocol",
      });
    }
    await sink.commit(offered);
    await session.send({ case: "committed", value: { head: toHeadMessage(offered) } });
    await session.end();
    return { decision: answer.decision, head: offered, frames: received.frames, bytes: received.bytes };
  } catch (thrown) {
    const error = NeonError.from(thrown);
    await stream.fail(error);
    await sink.abort();
    throw error;
  }
}

/** Takes frames until the sender's Finish, whose head it returns. */
async function takeFrames(session: Session, { sink, onProgress }: ReceiveOptions, totalBytes: number) {
  let frames = 0;
  let bytes = 0;
  for (;;) {
    const message = await session.next();
    if (message?.case === "finish") return { head: fromHeadMessage(message.value.head), frames, bytes };
    if (message?.case !== "frame") throw unexpected(message, "a frame");
    await sink.append(decodeFrame(message.message));
    frames++;
    bytes += message.message.length;
    onProgress?.({ bytes, totalBytes });
  }
}
