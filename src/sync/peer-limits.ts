import { Codec } from "../../gen/neon/pageserver/v1/frame_pb.js";
import type { Hello } from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import { CODECS } from "../timeline/frame/codec.js";
import { decodeFrameHead } from "../timeline/frame/frame.js";
import { tooLong } from "./session.js";

/** What a receiver says in its Hello that it can take. Frames are sent as they are, so what it cannot take is refused here. */
export class PeerLimits {
  readonly #maxMessageBytes: number;
  readonly #codecs: readonly Codec[];
  readonly #knowsAll: boolean;

  constructor({ maxMessageBytes, codecs }: Pick<Hello, "maxMessageBytes" | "codecs">) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#codecs = codecs;
    this.#knowsAll = CODECS.every((codec) => codecs.includes(codec));
  }

  /** Checks a frame's CopyData message. Throws 54000 if it is too long for the receiver, 0A000 for a codec unknown there. */
  assertFrame(message: Buffer): void {
    const length = message.length - 5;
    if (length > this.#maxMessageBytes) throw tooLong(length, this.#maxMessageBytes);
    if (this.#knowsAll) return;
    const { codec } = decodeFrameHead(message).header;
    if (this.#codecs.includes(codec)) return;
    throw new NeonError(
      "feature_not_supported",
      `the branch has frames of codec ${Codec[codec] ?? codec}, which the receiver does not know`,
      { party: "sink", hint: "Use the same version of neon at both ends." },
    );
  }
}
