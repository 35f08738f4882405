import { NeonError } from "../errors.js";
import { checkPayload, parseFrame } from "../timeline/frame/frame.js";
import type { Sink } from "./party.js";

/** Frames that may be hashed at the same time. */
const HASHED_AT_ONCE = 4;

/** Brings frames as they arrive into a sink, in order, and hashes them on other threads meanwhile. */
export class FrameIntake {
  readonly #sink: Sink;
  readonly #onFailure: (error: unknown) => void;
  readonly #taken: Promise<void>[] = [];

  /** `onFailure` is told of a frame that was refused, at once: the next one may not come for long. */
  constructor(sink: Sink, onFailure: (error: unknown) => void) {
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  /**
   * Takes over a whole CopyData message, up to `release`. Resolves with its length in bytes when the next one is welcome.
   * Throws 08P01 for what is no frame, and what an earlier frame was refused for.
   */
  async take(message: Buffer, release: () => void): Promise<number> {
    const frame = parseFrame(message);
    const checked = checkPayload(frame).catch(cameDamaged);
    checked.catch(() => undefined); // is thrown when its turn comes
    const before = this.#taken.at(-1);
    const append = async () => {
      await before;
      await checked;
      await this.#sink.append(frame, release);
    };
    const appended = append();
    appended.catch(this.#onFailure);
    this.#taken.push(appended);
    if (this.#taken.length > HASHED_AT_ONCE) await this.#taken.shift();
    return frame.length;
  }

  /** Resolves when the sink has every frame. Throws what one was refused for, which the frames behind it were too. */
  async settle(): Promise<void> {
    await this.#taken.at(-1);
  }
}

/** Whoever reads of it, at whichever end, has to look at the one that sent the frame. */
function cameDamaged(thrown: unknown): never {
  const { code, message, party } = NeonError.from(thrown);
  const hint = "neon verify at the page server that sent it says whether the branch is damaged there.";
  throw new NeonError(code, message, { party, hint, cause: thrown });
}
