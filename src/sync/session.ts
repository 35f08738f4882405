/** SessionMessages over CopyBoth: one in each CopyData. Frames keep their bytes; everything else is decoded. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Hello,
  HelloSchema,
  type SessionMessage,
  SessionMessageSchema,
} from "../../gen/neon/pageserver/v1/session_pb.js";
import { cleanText } from "../clean-text.js";
import { assertFieldCount } from "../count-fields.js";
import { NeonError } from "../errors.js";
import {
  MAX_MESSAGE_FIELDS,
  MAX_SESSION_MESSAGE_BYTES,
  SESSION_SILENCE_MS,
  SESSION_WINDOW_BYTES,
} from "../limits.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import { CODECS } from "../timeline/frame/codec.js";
import { isFrameMessage } from "../timeline/frame/frame.js";
import { VERSION } from "../version.js";

/** Versions of the session protocol that this program speaks. */
const PROTOCOL_VERSIONS = { min: 1, max: 1 };

/** A control message: any SessionMessage but a frame. */
export type Control = Exclude<SessionMessage["message"], { case: "frame" } | { case: undefined }>;

type ValueOf<C extends Control["case"]> = Extract<Control, { case: C }>["value"];

/** What a session takes besides its stream. */
export interface SessionOptions {
  /** When it aborts, a waiting or later {@link Session.next} throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for which the other end may send nothing; SESSION_SILENCE_MS unless given. */
  readonly silenceMs?: number | undefined;
}

/** A frame as it came in. */
interface IncomingFrame {
  readonly case: "frame";
  /** The whole CopyData message. Its reader owns it, up to `release`. */
  readonly message: Buffer;
  /** Gives its memory back (see CopyMessage). */
  release(): void;
}

/** What came in: a frame, or a decoded control message. */
export type Incoming = IncomingFrame | Control;

/** Signs of life that are sent in the time of silence that is borne. */
const SIGNS_OF_LIFE = 3;
/** How often an end listens between two of its own: silence is noticed late by no more than that. */
const LISTENS_PER_SIGN = 4;
/** Longest name of a program that is quoted, in UTF-16 units. */
const MAX_SOFTWARE = 100;

/** One end's view of a running session. It has to be closed. */
export class Session {
  readonly #stream: CopyBoth;
  readonly #incoming: AsyncIterator<Incoming, undefined>;
  readonly #signal: AbortSignal | undefined;
  #waiting: ((error: unknown) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  readonly #abort = () => this.interrupt(this.#signal?.reason);
  readonly #heart: NodeJS.Timeout;
  #waits = 0;
  #ending = false;
  #maxMessageBytes = Number.POSITIVE_INFINITY;

  constructor(stream: CopyBoth, { signal, silenceMs = SESSION_SILENCE_MS }: SessionOptions = {}) {
    this.#stream = stream;
    this.#signal = signal;
    // One listener for the whole session: adding one for each message costs more than the message.
    signal?.addEventListener("abort", this.#abort);
    this.#incoming = decoded(stream);
    const listen = this.#listener(silenceMs);
    let beats = 0;
    this.#heart = setInterval(
      () => {
        if (++beats % LISTENS_PER_SIGN === 0) this.#sayAlive();
        listen();
      },
      silenceMs / SIGNS_OF_LIFE / LISTENS_PER_SIGN,
    );
  }

  /** Holds what is sent from now on to the longest message that the other end takes. */
  set maxMessageBytes(bytes: number) {
    this.#maxMessageBytes = bytes;
  }

  /** Sends one control message. Throws 54000 if it is longer than the other end takes. */
  async send(message: MessageInitShape<typeof SessionMessageSchema>["message"]): Promise<void> {
    const data = toBinary(SessionMessageSchema, create(SessionMessageSchema, { message }));
    if (data.length > this.#maxMessageBytes) throw tooLong(data.length, this.#maxMessageBytes);
    await this.#stream.write(data);
  }

  /** Sends this end's Hello. */
  async sendHello(): Promise<void> {
    await this.send({
      case: "hello",
      value: {
        minVersion: PROTOCOL_VERSIONS.min,
        maxVersion: PROTOCOL_VERSIONS.max,
        codecs: [...CODECS],
        maxMessageBytes: MAX_SESSION_MESSAGE_BYTES,
        windowBytes: BigInt(SESSION_WINDOW_BYTES),
        software: `neon ${VERSION}`,
      },
    });
  }

  /** The other end's Hello, its text cleaned. Throws 0A000 if no protocol version is common. */
  async receiveHello(): Promise<Hello> {
    const hello = create(HelloSchema, await this.expect("hello"));
    hello.software = cleanText(hello.software, MAX_SOFTWARE);
    if (hello.minVersion > PROTOCOL_VERSIONS.max || hello.maxVersion < PROTOCOL_VERSIONS.min) {
      throw new NeonError(
        "feature_not_supported",
        `the other page server (${hello.software}) speaks sync protocol ${hello.minVersion} to ${hello.maxVersion}, ` +
          `this one ${PROTOCOL_VERSIONS.min} to ${PROTOCOL_VERSIONS.max}`,
        { party: "protocol", hint: "Use the same version of neon at both ends." },
      );
    }
    return hello;
  }

  /** The next message, or undefined at the other end's CopyDone. Throws 08006 if the other end falls silent. */
  async next(): Promise<Incoming | undefined> {
    if (this.#signal?.aborted) this.#abort();
    if (this.#failure !== undefined) throw this.#failure.error;
    return new Promise((resolve, reject) => {
      this.#waiting = reject;
      this.#waits++;
      this.#incoming.next().then(({ value }) => {
        this.#waiting = undefined;
        resolve(value);
      }, reject);
    });
  }

  /** Ends the signs of life and forgets the signal: the session is over, however it ended. */
  close(): void {
    clearInterval(this.#heart);
    this.#signal?.removeEventListener("abort", this.#abort);
  }

  /** Makes a waiting and every later {@link next} throw `error`; the first one counts. */
  interrupt(error: unknown): void {
    this.#failure ??= { error };
    this.#waiting?.(this.#failure.error);
  }

  /** The next message, which has to be of the named case. Throws 08P01 otherwise. */
  async expect<C extends Control["case"]>(name: C): Promise<ValueOf<C>> {
    const message = await this.next();
    if (message?.case !== name) throw unexpected(message, name);
    return message.value as ValueOf<C>;
  }

  /** Ends the conversation: CopyDone, and nothing but CopyDone from the other end. Throws 08P01 for anything else. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#stream.done();
    const late = await this.next();
    if (late !== undefined) throw unexpected(late, "CopyDone");
  }

  #sayAlive(): void {
    // A write that fails here fails again where somebody looks.
    if (!this.#ending) this.send({ case: "keepalive", value: {} }).catch(() => undefined);
  }

  /** Counts how often it is called while nothing comes. Not time: this process may have stood still itself. */
  #listener(silenceMs: number): () => void {
    let missed = 0;
    let before = { bytesRead: 0, waits: 0 };
    return () => {
      const now = { bytesRead: this.#stream.bytesRead, waits: this.#waits };
      const same = now.bytesRead === before.bytesRead && now.waits === before.waits;
      missed = same && this.#waiting !== undefined ? missed + 1 : 0;
      before = now;
      if (missed >= SIGNS_OF_LIFE * LISTENS_PER_SIGN) this.interrupt(silence(silenceMs));
    };
  }
}

/** A message that the other end does not take. */
export function tooLong(length: number, limit: number): NeonError {
  return new NeonError(
    "program_limit_exceeded",
    `a message of ${length} bytes is to be sent, the other end takes at most ${limit}`,
    { party: "protocol" },
  );
}

/** A message that must not come now. */
export function unexpected(message: Incoming | undefined, wanted: string): NeonError {
  const came = message === undefined ? "the session ended" : `${message.case} came`;
  return new NeonError("protocol_violation", `${came} where ${wanted} was expected`, { party: "protocol" });
}

function silence(milliseconds: number): NeonError {
  return new NeonError("connection_failure", `the other end has been silent for ${milliseconds / 1000} s`, {
    party: "connection",
    retryable: true,
    hint: "The connection may have been cut, or the page server there hangs. Try again: what was acknowledged is not sent again.",
  });
}

async function* decoded(stream: CopyBoth): AsyncGenerator<Incoming, undefined> {
  for await (const { message, data, release } of stream.read()) {
    if (isFrameMessage(message)) {
      yield { case: "frame", message, release };
      continue;
    }
    const control = decodeControl(data);
    if (control.case !== "keepalive") yield control;
  }
  return undefined;
}

/** Reads a control message. The result keeps views of `data`. Throws 08P01 for what is none, 54000 for too many fields. */
export function decodeControl(data: Buffer): Control {
  assertFieldCount(SessionMessageSchema, data, MAX_MESSAGE_FIELDS);
  let message: SessionMessage["message"];
  try {
    message = fromBinary(SessionMessageSchema, data).message;
  } catch (cause) {
    throw new NeonError("protocol_violation", "malformed session message", { party: "protocol", cause });
  }
  if (message.case === undefined || message.case === "frame") {
    throw new NeonError("protocol_violation", "a session message of an unknown kind", { party: "protocol" });
  }
  return message;
}
